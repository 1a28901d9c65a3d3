/* Runs a target over files and folders of inputs, without libFuzzer: so that every compiler's every build keeps what
 * fuzzing has found. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static size_t played;

static void play(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *data;
    ssize_t len;

    FUZZ_CHECK(fd >= 0 && fstat(fd, &st) == 0);
    /* A block of its own size: the sanitizer sees a read beyond it. */
    data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
    FUZZ_CHECK(data != NULL);
    len = read(fd, data, (size_t)st.st_size);
    FUZZ_CHECK(len == st.st_size);
    close(fd);
    fprintf(stderr, "%s\n", path); /* the last line tells which input it was */
    LLVMFuzzerTestOneInput(data, (size_t)len);
    free(data);
    played++;
}

static void play_all(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    char name[4096];

    if (dir == NULL) {
        play(path);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        play(name);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    LLVMFuzzerTestOneInput(NULL, 0);
    for (int i = 1; i < argc; i++)
        play_all(argv[i]);
    printf("%zu inputs\n", played);
    return played != 0 ? 0 : 1;
}
