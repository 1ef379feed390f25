#include <string_view>

#include "capi/boundary.h"
#include "capi/enums.h"
#include "capi/matrices.h"
#include "octile/octile.h"

namespace capi = octile::capi;

static_assert(std::string_view(OCTILE_VERSION_STRING) == OCTILE_PROJECT_VERSION,
              "octile/c/types.h and the project have different versions");

uint32_t octile_supported_isas() {
    return capi::value_or(octile_isa_set{0}, [] { return capi::to_c(octile::supported_isas()); });
}

octile_status octile_usable_isas(octile_isa_set* isas, octile_error* error) {
    return capi::boundary(error, [&] {
        capi::object_at(isas, "isas") = 0;
        *isas = capi::to_c(capi::take(octile::usable_isas()));
    });
}

octile_status octile_limit_isas(octile_isa_set isas, const char* level, octile_isa_set* limited, octile_error* error) {
    return capi::boundary(error, [&] {
        capi::object_at(limited, "limited") = 0;
        const octile::IsaSet set = capi::any_isas_of(isas);
        *limited = capi::to_c(capi::take(octile::limit_isas(set, capi::text_at(level, "level"))));
    });
}

void octile_set_threads(int32_t count) {
    octile::set_threads(count);
}

int32_t octile_threads() {
    return capi::value_or(1, [] { return octile::threads(); });
}

octile_status octile_thread_limit(int32_t* count, octile_thread_source* source, octile_error* error) {
    return capi::boundary(error, [&] {
        const octile::ThreadLimit limit = capi::take(octile::thread_limit());
        if (count) *count = limit.count;
        if (source) *source = capi::to_c(limit.source);
    });
}

void octile_set_parallel_for(octile_parallel_for parallel_for, void* context) {
    octile::set_parallel_for(parallel_for, context);
}

int32_t octile_version_number() {
    return OCTILE_VERSION_NUMBER;
}

const char* octile_version_string() {
    return OCTILE_VERSION_STRING;
}
