// Checks of the C11 program, which counts those that fail.
#ifndef OCTILE_TESTS_CAPI_C11_CHECK_H
#define OCTILE_TESTS_CAPI_C11_CHECK_H

#include <stdio.h>

#include "octile/octile.h"

extern int octile_checks_failed;

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            octile_checks_failed++;                                                 \
        }                                                                           \
    } while (0)

/* Of a call whose last argument is &error. */
#define CHECK_OK(call)                                                                    \
    do {                                                                                  \
        if ((call) != OCTILE_OK || error.code != OCTILE_OK || error.message[0] != '\0') { \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, error.message); \
            octile_checks_failed++;                                                       \
        }                                                                                 \
    } while (0)

void check_linears(void);
void check_int4(void);
void check_norms(void);
void check_plans(void);
void check_sessions(const char* network);

#endif
