#include "cli/core_option.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "inputs/messages.h"
#include "inputs/text_file.h"
#include "tuner/host_core.h"

namespace octile::cli {

std::string expected_cores() {
    return fmt::format("{}, host or a file (.json)", fmt::join(core_names(), ", "));
}

Result<Core> load_core(const std::string& name) {
    if (name == "host") {
        const Result<IsaSet> isas = usable_isas();
        return isas.ok() ? measure_host_core(isas.value()) : isas.status();
    }
    if (name.find('/') == std::string::npos && !name.ends_with(".json")) {
        Result<Core> core = find_core(name);
        if (core.ok()) return core;
        return Status(core.status().code(),
                      fmt::format("--core: expected {}, found {}", expected_cores(), internal::quote(name)));
    }
    const Result<std::string> text = read_text_file(name);
    if (!text.ok()) return text.status();
    Result<Core> core = core_from_json(text.value());
    if (core.ok()) return core;
    return Status(core.status().code(), fmt::format("{}: {}", display(name), core.status().message()));
}

}  // namespace octile::cli
