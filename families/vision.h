// What networks that see images have in common.
#pragma once

#include <cstdint>
#include <string>

#include "families/network_builder.h"

namespace octile {

struct Patches {
    std::int64_t count = 0;   // of an image; 0: not known, one for each token
    std::int64_t values = 0;  // of a patch; 0: not known
};

// Of image_size, patch_size and num_channels.
Patches patches_of(NetworkBuilder& builder, std::int64_t image = 224, std::int64_t patch = 16);

// As many rows for each image; 0: not known.
Rows rows_of_image(std::int64_t count);

// Rows of patches behind their projection, and `classes` rows of tokens before them.
std::string add_patches(NetworkBuilder& builder, const std::string& projection, const Patches& patches,
                        std::int64_t features, std::int64_t classes, bool bias = true);

// One row of each image's.
std::string row_of_image(NetworkBuilder& builder, const std::string& name, const std::string& x);

}  // namespace octile
