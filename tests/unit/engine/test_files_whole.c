/* Small files: whole or not at all, whatever fails, and the public functions over it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/str.h"
#include "engine/engine.h"
#include "tern/file.h"
#include "tests/support/faultmem.h"
#include "tests/support/simio.h"

static char directory[64];
static char path[128], beside[128];

static int setup(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/tern-whole-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/file", directory);
    snprintf(beside, sizeof(beside), "%s/file.beside", directory);
    return 0;
}

static int entries(void)
{
    DIR *dir = opendir(directory);
    int count = 0;

    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command);
}

static void put(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void holds(const char *text)
{
    char is[64] = "";
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    is[fread(is, 1, sizeof(is) - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(is, text);
}

/* ---- with each operation failing ---- */

struct broken {
    struct tern_files files;
    struct tern_files_ops ops;
    int fails_at, calls, short_writes;
};

static struct broken broken;

static bool fails(void)
{
    return ++broken.calls == broken.fails_at;
}

static int broken_open(struct tern_files *files, const char *at, int flags, mode_t mode)
{
    (void)files;
    return fails() ? -EMFILE : tern_files_posix()->ops->open(tern_files_posix(), at, flags, mode);
}

static ssize_t broken_write(struct tern_files *files, int fd, const void *buf, size_t len)
{
    (void)files;
    if (fails())
        return broken.fails_at % 2 ? 0 : -ENOSPC;
    return tern_files_posix()->ops->write(tern_files_posix(), fd, buf, len > 3 ? 3 : len);
}

static int broken_fsync(struct tern_files *files, int fd)
{
    (void)files;
    return fails() ? -EIO : tern_files_posix()->ops->fsync(tern_files_posix(), fd);
}

static int broken_close(struct tern_files *files, int fd)
{
    int rc = tern_files_posix()->ops->close(tern_files_posix(), fd);

    (void)files;
    return fails() ? -EIO : rc;
}

static int broken_stat(struct tern_files *files, const char *at, struct tern_file_stat *out)
{
    (void)files;
    return fails() ? -EACCES : tern_files_posix()->ops->stat(tern_files_posix(), at, out);
}

static int broken_rename(struct tern_files *files, const char *from, const char *to)
{
    (void)files;
    return fails() ? -EXDEV : tern_files_posix()->ops->rename(tern_files_posix(), from, to);
}

static int broken_unlink(struct tern_files *files, const char *at)
{
    (void)files;
    return tern_files_posix()->ops->unlink(tern_files_posix(), at);
}

static int replace_failing(int at)
{
    broken = (struct broken){.ops = {.open = broken_open,
                                     .write = broken_write,
                                     .fsync = broken_fsync,
                                     .close = broken_close,
                                     .stat = broken_stat,
                                     .rename = broken_rename,
                                     .unlink = broken_unlink},
                             .fails_at = at};
    broken.files.ops = &broken.ops;
    return tern_files_replace(&broken.files, path, beside, TERN_STR("new text"));
}

/* stat, open, three writes, fsync, close, rename, then the directory: open, fsync, close. */
static void test_whole_or_not_at_all(void **state)
{
    (void)state;
    for (int at = 1; at <= 8; at++) {
        put("old");
        assert_true(replace_failing(at) < 0);
        holds("old");
        assert_int_equal(entries(), 1);
    }
    for (int at = 9; at <= 12; at++) { /* it has its name; whether it is durable is not known */
        put("old");
        assert_int_equal(replace_failing(at) < 0, at <= 10);
        holds("new text");
        assert_int_equal(entries(), 1);
    }
}

static mode_t mode_of(const char *at)
{
    struct stat st;

    assert_int_equal(lstat(at, &st), 0);
    return st.st_mode;
}

static int replace(const char *text)
{
    return tern_files_replace(tern_files_posix(), path, beside, tern_str(text));
}

static void test_modes(void **state)
{
    mode_t mask = umask(022);

    (void)state;
    assert_int_equal(replace("1"), 0);
    assert_int_equal(mode_of(path) & 07777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(replace("2"), 0);
    assert_int_equal(mode_of(path) & 07777, 0644);
    umask(mask);
}

static void test_what_is_no_file(void **state)
{
    char other[128], text[16] = "";
    int fd;

    (void)state;
    snprintf(other, sizeof(other), "%s/other", directory);
    /* A link to a file is replaced; what it led to stays. */
    put("other");
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(replace("new"), 0);
    assert_true(S_ISREG(mode_of(path)));
    holds("new");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rename(other, path), 0);
    holds("other");
    /* A pipe is written to, and so is what a link to a device leads to. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(replace("piped"), 0);
    assert_int_equal(read(fd, text, sizeof(text)), 5);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_int_equal(replace("x"), 0);
    assert_true(S_ISLNK(mode_of(path)));
    /* A directory is neither. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(replace("x"), -EISDIR);
    assert_int_equal(entries(), 1);
}

/* What is there under the other name is somebody else's: not followed, not written, not removed. */
static void test_the_other_name_is_taken(void **state)
{
    (void)state;
    put("old");
    assert_int_equal(symlink(path, beside), 0);
    assert_int_equal(replace("new"), -EEXIST);
    holds("old");
    assert_true(S_ISLNK(mode_of(beside)));
}

/* ---- in public ---- */

struct seen {
    int ends;
    enum tern_error error;
    int os_errno;
    char text[TERN_FAULT_TEXT_MAX], bytes[64];
};

static void note(struct seen *seen, const struct tern_fault *fault)
{
    seen->ends++;
    seen->error = fault->error;
    seen->os_errno = fault->os_errno;
    strcpy(seen->text, fault->text);
}

static void on_saved(void *user, const struct tern_fault *fault)
{
    note(user, fault);
}

static void on_loaded(void *user, const struct tern_fault *fault, struct tern_str bytes)
{
    struct seen *seen = user;

    note(seen, fault);
    snprintf(seen->bytes, sizeof(seen->bytes), "%.*s", (int)bytes.len, bytes.ptr);
}

static void test_saved_and_loaded(void **state)
{
    struct tern_engine *engine;
    struct simio *sim = simio_new(NULL, &engine);
    struct seen saved = {0}, loaded = {0};

    (void)state;
    assert_int_equal(tern_file_save(engine, path, TERN_STR("text"), on_saved, &saved), TERN_OK);
    assert_int_equal(saved.ends, 0); /* not from inside */
    simio_run(sim, 0);
    assert_int_equal(saved.ends, 1);
    assert_int_equal(saved.error, TERN_OK);
    holds("text");
    assert_int_equal(entries(), 1);
    assert_int_equal(tern_file_load(engine, path, 4, on_loaded, &loaded), TERN_OK);
    simio_run(sim, 0);
    assert_int_equal(loaded.error, TERN_OK);
    assert_string_equal(loaded.bytes, "text");
    assert_int_equal(tern_file_load(engine, path, 3, on_loaded, &loaded), TERN_OK);
    simio_run(sim, 0);
    assert_int_equal(loaded.error, TERN_EFILE);
    assert_int_equal(loaded.os_errno, EFBIG);
    assert_string_equal(loaded.bytes, "");
    assert_int_equal(tern_file_save(engine, path, TERN_STR(""), on_saved, &saved), TERN_OK);
    simio_run(sim, 0);
    holds("");
    tern_engine_free(engine);
}

static void test_what_cannot_be(void **state)
{
    struct tern_engine *engine;
    struct simio *sim = simio_new(NULL, &engine);
    struct seen seen = {0};
    char text[256];

    (void)state;
    assert_int_equal(tern_file_load(engine, path, 10, on_loaded, &seen), TERN_OK);
    simio_run(sim, 0);
    assert_int_equal(seen.error, TERN_EFILE);
    assert_int_equal(seen.os_errno, ENOENT);
    snprintf(text, sizeof(text), "file \"%s\" cannot be read: No such file or directory", path);
    assert_string_equal(seen.text, text);
    assert_int_equal(tern_file_save(engine, "/nowhere/at/all", TERN_STR("x"), on_saved, &seen), TERN_OK);
    simio_run(sim, 0);
    assert_int_equal(seen.os_errno, ENOENT);
    assert_string_equal(seen.text, "file \"/nowhere/at/all\" cannot be written: No such file or directory");
    assert_int_equal(seen.ends, 2);
    /* Freed before: no word of it. */
    assert_int_equal(tern_file_save(engine, path, TERN_STR("x"), on_saved, &seen), TERN_OK);
    tern_engine_free(engine);
    assert_int_equal(seen.ends, 2);
}

static void test_after_the_shutdown(void **state)
{
    struct tern_engine *engine;
    struct seen seen = {0};

    (void)state;
    simio_new(NULL, &engine);
    assert_int_equal(tern_engine_shutdown(engine), TERN_OK);
    assert_int_equal(tern_file_save(engine, path, TERN_STR("x"), on_saved, &seen), TERN_ECLOSED);
    assert_int_equal(tern_file_load(engine, path, 9, on_loaded, &seen), TERN_ECLOSED);
    tern_engine_free(engine);
    assert_int_equal(seen.ends, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_whole_or_not_at_all), TEST(test_modes),
        TEST(test_what_is_no_file),     TEST(test_the_other_name_is_taken),
        TEST(test_saved_and_loaded),    TEST(test_what_cannot_be),
        TEST(test_after_the_shutdown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
