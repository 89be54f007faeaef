/* Seed for eflomal: redirects fopen("/dev/urandom") to the file named by CLISM_EFLOMAL_SEED, and creates NAME.used to
   confirm it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef FILE *(*open_function)(const char *, const char *);

FILE *fopen(const char *path, const char *mode) {
    open_function real_fopen = (open_function)dlsym(RTLD_NEXT, "fopen");
    const char *seed = getenv("CLISM_EFLOMAL_SEED");
    if (seed == NULL || strcmp(path, "/dev/urandom") != 0)
        return real_fopen(path, mode);
    char used[PATH_MAX];
    snprintf(used, sizeof used, "%s.used", seed);
    FILE *mark = real_fopen(used, "w");
    if (mark != NULL)
        fclose(mark);
    return real_fopen(seed, mode);
}
