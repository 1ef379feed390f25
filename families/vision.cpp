#include "families/vision.h"

#include <fmt/format.h>

#include "base/json_document.h"

namespace octile {

Patches patches_of(NetworkBuilder& builder, std::int64_t image, std::int64_t patch) {
    if (!builder.config.exists()) return {};
    image = builder.config.pair_or("image_size", image);
    patch = builder.config.pair_or("patch_size", patch);
    const std::int64_t side = image / patch, channels = builder.config.extent_or("num_channels", 3);
    constexpr std::int64_t kMostSide = 46340;  // whose square is an extent
    if (side < 1 || side > kMostSide || patch > kMostSide)
        fail_at("patch_size", fmt::format("expected 1 to image_size ({}), found {}", image, patch));
    if (channels > kMaxReduction / (patch * patch))
        fail_at("num_channels", fmt::format("expected patches of at most {} values, found more", kMaxReduction));
    return {side * side, patch * patch * channels};
}

Rows rows_of_image(std::int64_t count) {
    return count > 0 ? Rows{.unit = Rows::Unit::kFixed, .count = count} : Rows();
}

std::string add_patches(NetworkBuilder& builder, const std::string& projection, const Patches& patches,
                        std::int64_t features, std::int64_t classes, bool bias) {
    const std::string pixels = builder.values("patches", patches.values, rows_of_image(patches.count));
    const std::string x = builder.patches(projection, pixels, patches.values, features, bias);
    return builder.other(projection + ".embedded", "class tokens and positions", {x}, 0,
                         rows_of_image(patches.count > 0 ? patches.count + classes : 0));
}

std::string row_of_image(NetworkBuilder& builder, const std::string& name, const std::string& x) {
    return builder.other(name, "the row of a class token", {x}, 0, Rows{.unit = Rows::Unit::kSequences});
}

}  // namespace octile
