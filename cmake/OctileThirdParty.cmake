# Libraries of headers that Octile is made of (fmt, JSON for Modern C++, CLI11, xxHash, FP16; Catch2 for tests): the system's, or those that a source
# with kernels brings along, so that it builds where none of them is installed.
if(OCTILE_KERNELS STREQUAL "prebuilt")
    include_directories(SYSTEM ${PROJECT_SOURCE_DIR}/third_party/include)
    if(NOT TARGET nlohmann_json::nlohmann_json)
        add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED GLOBAL)
    endif()
else()
    find_package(nlohmann_json 3.11 REQUIRED)
endif()
