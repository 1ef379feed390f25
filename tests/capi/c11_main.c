/* The C API from C11: octile_c11_tests NETWORK.octile; exit code 0 if everything is as it should be. */
#include <string.h>

#include "tests/capi/c11_check.h"

int octile_checks_failed = 0;

static void check_machine(void) {
    octile_error error;
    CHECK(octile_version_number() == OCTILE_VERSION_NUMBER);
    CHECK(strcmp(octile_version_string(), OCTILE_VERSION_STRING) == 0);
    CHECK(sizeof(octile_error) == 1024);

    octile_isa_set usable = 0, limited = 0;
    const octile_isa_set supported = octile_supported_isas();
    CHECK(supported != 0);
    CHECK_OK(octile_usable_isas(&usable, &error));
    CHECK((usable & ~supported) == 0);
    octile_isa lowest = 0;
    while (!(supported >> lowest & 1u))
        lowest++;
    CHECK_OK(octile_limit_isas(supported, octile_isa_name(lowest), &limited, &error));
    CHECK(limited == 1u << lowest);
    CHECK(octile_limit_isas(supported, "no such level", &limited, &error) != OCTILE_OK);
    CHECK(strstr(error.message, "no such level") != NULL);

    int32_t count = 0;
    octile_thread_source source = -1;
    octile_set_threads(3);
    CHECK(octile_threads() == 3);
    CHECK_OK(octile_thread_limit(&count, &source, &error));
    CHECK(count == 3 && source == OCTILE_THREADS_FROM_PROGRAM);
    octile_set_threads(0);
    CHECK(octile_threads() >= 1);
}

int main(int argc, char** argv) {
    if (argc != 2) {
        fputs("usage: octile_c11_tests NETWORK.octile\n", stderr);
        return 2;
    }
    check_machine();
    check_linears();
    check_int4();
    check_norms();
    check_plans();
    check_sessions(argv[1]);
    if (octile_checks_failed == 0) puts("all as it should be");
    return octile_checks_failed == 0 ? 0 : 1;
}
