#include "tuner/runner.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>
#include <vector>

#include "base/printable.h"
#include "inputs/messages.h"
#include "tuner/process.h"

namespace octile::tuner {
namespace {

namespace fs = std::filesystem;

Status failed(std::string_view who, const ProcessResult& result) {
    return {StatusCode::kIoError, fmt::format("{} {}", who, result.what())};
}

std::string quoted_for_shell(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'')
            quoted += "'\\''";
        else
            quoted += c;
    }
    return quoted + "'";
}

class LocalRunner : public Runner {
  public:
    explicit LocalRunner(const std::atomic<bool>& stop) : stop_(stop) {}

    Status install(const fs::path& program) override {
        program_ = fs::absolute(program);
        return {};
    }
    Result<std::string> run(const std::string& job, double seconds) override {
        Result<ProcessResult> result =
            run_process({program_.native()}, {.input = job + "\n", .seconds = seconds, .stop = &stop_});
        if (!result.ok()) return result.status();
        if (!result->ok()) return failed("octile_measure", result.value());
        return std::move(result->out);
    }

  private:
    const std::atomic<bool>& stop_;
    fs::path program_;
};

class CommandRunner : public Runner {
  public:
    CommandRunner(std::string command, const std::atomic<bool>& stop) : command_(std::move(command)), stop_(stop) {}

    Status install(const fs::path& program) override {
        line_ = command_;
        const std::string path = quoted_for_shell(fs::absolute(program).native());
        for (std::size_t at = line_.find("{}"); at != std::string::npos; at = line_.find("{}", at + path.size()))
            line_.replace(at, 2, path);
        return {};
    }
    Result<std::string> run(const std::string& job, double seconds) override {
        Result<ProcessResult> result =
            run_process({"/bin/sh", "-c", line_}, {.input = job + "\n", .seconds = seconds, .stop = &stop_});
        if (!result.ok()) return result.status();
        if (!result->ok()) return failed("the runner's command", result.value());
        return std::move(result->out);
    }

  private:
    std::string command_, line_;
    const std::atomic<bool>& stop_;
};

// Everything on the board is in one folder, named after the program's content: a second search finds it there. Jobs are
// run with --keep, so that one whose connection drops goes on, and asking again fetches its answer.
class SshRunner : public Runner {
  public:
    SshRunner(std::string host, std::string port, const std::atomic<bool>& stop) : stop_(stop) {
        command_ = {"ssh", "-oBatchMode=yes", "-oConnectTimeout=10", "-oServerAliveInterval=5",
                    "-oServerAliveCountMax=3"};
        if (!port.empty()) command_.insert(command_.end(), {"-p", port});
        command_.push_back(std::move(host));
    }

    Status install(const fs::path& program) override {
        const Result<ProcessResult> sum = run_process({"sha256sum", program.native()});
        if (!sum.ok()) return sum.status();
        folder_ = fmt::format(".cache/octile-measure/{}", sum->out.substr(0, 16));
        const Result<std::string> there =
            patiently(fmt::format("cd {} 2>/dev/null && sha256sum octile_measure", folder_), {}, 60);
        if (!there.ok() && !connected_) return there.status();
        if (there.ok() && there.value().substr(0, 64) == sum->out.substr(0, 64)) return {};
        const Result<ProcessResult> content = run_process({"cat", program.native()});
        if (!content.ok()) return content.status();
        const std::string copy = fmt::format(
            "mkdir -p {0} && cd {0} && cat > octile_measure.tmp && chmod +x octile_measure.tmp && mv "
            "octile_measure.tmp octile_measure",
            folder_);
        return patiently(copy, content->out, 600).status();
    }
    Result<std::string> run(const std::string& job, double seconds) override {
        return patiently(fmt::format("cd {} && exec ./octile_measure --keep .", folder_), job + "\n", seconds);
    }

  private:
    // ssh's exit code 255 is the connection's; every other one is the command's.
    Result<std::string> patiently(const std::string& remote, const std::string& input, double seconds) {
        using Clock = std::chrono::steady_clock;
        // A board that never answered is more likely misspelt than out of reach for a moment.
        const int attempts = connected_ ? 8 : 2;
        const Clock::time_point start = Clock::now();
        for (int attempt = 0;; ++attempt) {
            std::vector<std::string> command = command_;
            command.push_back(remote);
            Result<ProcessResult> result = run_process(command, {.input = input, .seconds = seconds, .stop = &stop_});
            if (!result.ok()) return result.status();
            connected_ |= result->exit_code >= 0 && result->exit_code != 255;
            if (result->ok()) return std::move(result->out);
            const double passed = std::chrono::duration<double>(Clock::now() - start).count();
            const bool dropped = result->exit_code == 255 && !result->stopped;
            if (!dropped || attempt + 1 >= attempts || passed > seconds) return failed("ssh", result.value());
            for (int i = 0; i < std::min(1 << attempt, 30) * 5 && !stop_; ++i)
                std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
    }

    const std::atomic<bool>& stop_;
    std::vector<std::string> command_;
    std::string folder_;
    bool connected_ = false;
};

}  // namespace

Result<std::unique_ptr<Runner>> make_runner(std::string_view name, const std::atomic<bool>& stop) {
    if (name == "local") return std::unique_ptr<Runner>(new LocalRunner(stop));
    if (name.starts_with("ssh:") && name.size() > 4 && name[4] != '-') {
        std::string host(name.substr(4)), port;
        if (const std::size_t colon = host.rfind(':'); colon != std::string::npos) {
            port = host.substr(colon + 1);
            host.resize(colon);
        }
        const bool number = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (!host.empty() && number) return std::unique_ptr<Runner>(new SshRunner(host, port, stop));
    }
    if (name.find("{}") != std::string_view::npos)
        return std::unique_ptr<Runner>(new CommandRunner(std::string(name), stop));
    return Status(StatusCode::kInvalidArgument,
                  fmt::format("--runner: expected {}, found {}", kRunners, internal::quote(name)));
}

}  // namespace octile::tuner
