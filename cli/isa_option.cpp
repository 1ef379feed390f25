#include "cli/isa_option.h"

#include <fmt/format.h>

#include "base/printable.h"

namespace octile::cli {
namespace {

Isa highest(IsaSet isas) {
    Isa found = Isa::kAvx2;
    for (int i = 0; i < kIsaCount; i++)
        if (isas.has(static_cast<Isa>(i))) found = static_cast<Isa>(i);
    return found;
}

}  // namespace

std::string all_isa_names() {
    std::string names;
    for (int i = 0; i < kIsaCount; i++)
        names += fmt::format("{}{}", i == 0 ? "" : ", ", name_of(static_cast<Isa>(i)));
    return names;
}

Result<IsaSet> parse_isa_option(const std::vector<std::string>& names, IsaSet host) {
    IsaSet levels;
    if (names.empty()) levels.add(highest(host));
    for (const std::string& list : names) {
        for (std::size_t begin = 0; begin <= list.size();) {
            const std::size_t end = std::min(list.find(',', begin), list.size());
            const std::string name = list.substr(begin, end - begin);
            begin = end + 1;
            if (name == "host") {
                levels.add(highest(host));
            } else if (name == "all") {
                for (int i = 0; i < kIsaCount; i++)
                    levels.add(static_cast<Isa>(i));
            } else if (const std::optional<Isa> isa = parse_isa(name)) {
                levels.add(*isa);
            } else {
                return Status(StatusCode::kInvalidArgument,
                              fmt::format("--isa: expected host, all or some of {}, found {}", all_isa_names(),
                                          internal::quote(name)));
            }
        }
    }
    return levels;
}

}  // namespace octile::cli
