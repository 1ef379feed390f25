#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <new>
#include <sstream>
#include <string>

#include "base/input_files.h"
#include "base/path_text.h"
#include "base/printable.h"
#include "base/temporary_file.h"
#include "cli/commands.h"
#include "cli/output.h"

namespace octile::cli {
namespace {

// CLI11's message on one line, with a word on where to read more.
std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
    std::string message = error.what();
    const std::vector<std::string> rest = app.remaining();
    if (app.get_subcommands().empty()) {
        message = rest.empty() ? "expected a command"
                               : fmt::format("expected a command, found {}", internal::quote(rest.front()));
    }
    std::string command = "octile";
    for (const CLI::App* used : app.get_subcommands())
        command += " " + used->get_name();
    while (!message.empty() && message.back() == '\n')
        message.pop_back();
    // What the user typed may hold anything, and CLI11 repeats it as it is.
    if (!internal::is_printable(message)) message = internal::quote(message);
    return fmt::format("{} (see {} --help)", message, command);
}

int run(int argc, char** argv) {
    CLI::App app("Int8 and fp16 linear layers for Arm: plan, run and measure them.", "octile");
    app.set_version_flag("--version", "octile " OCTILE_VERSION);
    app.require_subcommand(1);
    int exit_code = kExitOk;
    add_info_command(app, exit_code);
    add_plan_command(app, exit_code);
    add_core_command(app, exit_code);
    add_quantize_command(app, exit_code);
    add_inspect_command(app, exit_code);
    add_run_command(app, exit_code);
    add_tune_command(app, exit_code);
    add_db_command(app, exit_code);

    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        // --help and --version: CLI11 has the text.
        std::ostringstream text;
        app.exit(success, text, text);
        const Status written = write_stdout(text.str());
        return written.ok() ? kExitOk : fail_by(written);
    } catch (const CLI::ParseError& error) {
        return fail(kExitUsage, usage_message(app, error));
    }
    return exit_code;
}

// What no reader and no command has made a Status of: it was most likely met in the file that was opened last.
int fail_unforeseen(std::string_view what) noexcept {
    try {
        if (const std::filesystem::path* file = last_input())
            return fail(kExitError, fmt::format("{}: {}", display(*file), what));
    } catch (const std::exception&) {
    }
    return fail(kExitError, what);
}

}  // namespace
}  // namespace octile::cli

int main(int argc, char** argv) {
    // A limit on the size of files is an error of the write that reaches it, like a full disk.
    std::signal(SIGXFSZ, SIG_IGN);
    octile::remove_temporary_files_on_signals();
    octile::keep_inputs();
    try {
        return octile::cli::run(argc, argv);
    } catch (const std::bad_alloc&) {
        return octile::cli::fail_unforeseen("out of memory");
    } catch (const std::exception& error) {
        return octile::cli::fail_unforeseen(error.what());
    }
}
