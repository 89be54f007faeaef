/* Gives eflomal a seed: where it opens the system's random numbers, it gets the file that CLISM_EFLOMAL_SEED names. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FILE *fopen(const char *path, const char *mode) {
    FILE *(*real_fopen)(const char *, const char *) = (FILE *(*)(const char *, const char *))dlsym(RTLD_NEXT, "fopen");
    const char *seed = getenv("CLISM_EFLOMAL_SEED");
    return real_fopen(seed != NULL && strcmp(path, "/dev/urandom") == 0 ? seed : path, mode);
}
