/* Configuration: what is refused, what shapes, what is loaded, once, and shared. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/support/faultmem.h"
#include "tests/support/tls_rig.h"
#include "tls/mbedtls_material.h"

static struct tls_rig rig;

/* mbedTLS 3.6.6 loses a cipher context where memory runs out while it makes the keys of TLS 1.3 (ssl_tls13_keys.c
 * frees the transform, not what is in it). */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:gcm_ctx_alloc\n";
}

/* ---- configuration ---- */

static void refuse(struct tern_tls_config config, const char *text)
{
    struct tern_tls_profile *profile = NULL;
    struct tern_fault fault;

    assert_int_equal(tern_tls_profile_new(&config, &profile, &fault), TERN_ECONFIG);
    assert_null(profile);
    if (strstr(fault.text, text) == NULL)
        fail_msg("%s", fault.text);
    assert_int_equal(tern_tls_profile_new(&config, &profile, NULL), TERN_ECONFIG);
}

static void what_cannot_be_right_is_refused(void **state)
{
    (void)state;
    refuse((struct tern_tls_config){.version_min = TERN_TLS_1_3, .version_max = TERN_TLS_1_2}, "tls.version_min");
    refuse((struct tern_tls_config){.version_min = 11}, "tls.version_min 11");
    refuse((struct tern_tls_config){.version_max = 14}, "tls.version_max 14");
    refuse((struct tern_tls_config){.key_file = "k"}, "tls.key_file without tls.cert_file");
    refuse((struct tern_tls_config){.ca_pem = "x"}, "tls.ca_pem_len");
    refuse((struct tern_tls_config){.ca_pem_len = 1}, "tls.ca_pem");
    refuse((struct tern_tls_config){.pins = ""}, "tls.pins \"\"");
    refuse((struct tern_tls_config){.pins = "sha256/AAAA"}, "tls.pins \"sha256/AAAA\"");
    refuse((struct tern_tls_config){.pins = "sha256//AAAA"}, "32 bytes");
    refuse((struct tern_tls_config){.pins = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;"}, "tls.pins \"\"");
    refuse((struct tern_tls_config){.pins = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF=="}, "tls.pins");
}

static struct tern_tls_profile *profile_of(struct tern_tls_config config)
{
    struct tern_tls_profile *profile;

    assert_int_equal(tern_tls_profile_new(&config, &profile, NULL), TERN_OK);
    return profile;
}

static bool same_shape(struct tern_tls_config a, struct tern_tls_config b)
{
    struct tern_tls_profile *first = profile_of(a), *second = profile_of(b);
    bool same = tern_str_eq(tern_tls_profile_shape(first), tern_tls_profile_shape(second));

    tern_tls_profile_release(first);
    tern_tls_profile_release(second);
    return same;
}

#define PIN_A "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define PIN_B "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void every_field_shapes(void **state)
{
    const struct tern_tls_config base = {.ca_file = "a",
                                         .ca_dir = "b",
                                         .ca_pem = "pem",
                                         .ca_pem_len = 3,
                                         .cert_file = "c",
                                         .key_file = "k",
                                         .key_password = "p",
                                         .pins = PIN_A,
                                         .keylog_path = "l"};
    const struct tern_tls_config none = {0};
    struct tern_tls_config changed[12];

    (void)state;
    for (size_t i = 0; i < 12; i++)
        changed[i] = base;
    changed[0].ca_file = "b";
    changed[1].ca_dir = NULL;
    changed[2].ca_pem = "pam";
    changed[3].cert_file = "cc";
    changed[4].key_file = NULL;
    changed[5].key_password = "";
    changed[6].version_min = TERN_TLS_1_3;
    changed[7].version_max = TERN_TLS_1_2;
    changed[8].pins = PIN_B;
    changed[9].keylog_path = "";
    changed[10].insecure = true;
    changed[11].no_resumption = true;
    assert_true(same_shape(base, base));
    for (size_t i = 0; i < 12; i++)
        if (same_shape(base, changed[i]))
            fail_msg("change %zu has no shape", i);

    /* What moves from one field to the next is not the same. */
    assert_false(same_shape((struct tern_tls_config){.ca_file = "x"}, (struct tern_tls_config){.ca_dir = "x"}));
    assert_false(same_shape((struct tern_tls_config){.ca_file = "x", .ca_dir = "y"},
                            (struct tern_tls_config){.ca_file = "xy", .ca_dir = ""}));
    /* The default has the shape of its value. */
    assert_true(same_shape(none, (struct tern_tls_config){.version_min = TERN_TLS_1_2, .version_max = TERN_TLS_1_3}));
    /* The environment shapes where it counts, and only there. */
    {
        struct tern_tls_profile *before = profile_of(none), *after;

        setenv("SSL_CERT_FILE", "/nowhere", 1);
        after = profile_of(none);
        assert_false(tern_str_eq(tern_tls_profile_shape(before), tern_tls_profile_shape(after)));
        tern_tls_profile_release(after);
        tern_tls_profile_release(before);
        before = profile_of(base);
        unsetenv("SSL_CERT_FILE");
        after = profile_of(base);
        assert_true(tern_str_eq(tern_tls_profile_shape(before), tern_tls_profile_shape(after)));
        tern_tls_profile_release(after);
        tern_tls_profile_release(before);
    }
}

static void secrets_are_not_in_the_shape(void **state)
{
    struct tern_tls_profile *profile =
        profile_of((struct tern_tls_config){.cert_file = "c", .key_password = "hunter2"});
    struct tern_str shape = tern_tls_profile_shape(profile);

    (void)state;
    assert_null(memmem(shape.ptr, shape.len, "hunter2", 7));
    tern_tls_profile_release(profile);
}

static void nothing_of_the_configuration_is_kept(void **state)
{
    char file[] = "a.pem";
    struct tern_tls_profile *profile = profile_of((struct tern_tls_config){.ca_file = file});

    (void)state;
    file[0] = 'X';
    assert_string_equal(profile->config.ca_file, "a.pem");
    tern_tls_profile_release(tern_tls_profile_acquire(profile));
    assert_string_equal(profile->config.ca_file, "a.pem");
    tern_tls_profile_release(profile);
}

static void a_profile_without_memory_is_none(void **state)
{
    const struct tern_tls_config config = {
        .ca_file = "a", .ca_pem = "b", .ca_pem_len = 1, .cert_file = "c", .pins = PIN_A};

    (void)state;
    for (uint64_t n = 1;; n++) {
        struct tern_tls_profile *profile;
        uint64_t live = faultmem_live();
        enum tern_error error;

        faultmem_fail_nth(n);
        error = tern_tls_profile_new(&config, &profile, NULL);
        if (!faultmem_failed()) {
            faultmem_never_fail();
            assert_int_equal(error, TERN_OK);
            tern_tls_profile_release(profile);
            assert_true(n > 6);
            break;
        }
        assert_int_equal(error, TERN_ENOMEM);
        assert_int_equal(faultmem_live(), live);
    }
}

/* ---- loading ---- */

/* Loads a profile through a client, which does not connect where that fails. */
static void load_fails(struct tern_tls_config config, enum tern_error error, const char *text)
{
    struct tls_client *client = tls_rig_connect(&rig, &config, "example.test");

    if (client->error != error || client->fault.error != error || strstr(client->fault.text, text) == NULL)
        fail_msg("%s %s", tern_error_name(client->error), client->fault.text);
    tls_client_free(client);
}

static void load_is_fine(struct tern_tls_config config)
{
    struct tls_client *client = tls_rig_connect(&rig, &config, "example.test");

    if (!client->is_open)
        fail_msg("%s", client->fault.text);
    tls_client_free(client);
}

static void trust_that_cannot_be_read_is_named(void **state)
{
    char *empty = cert_file(""), *junk = cert_file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");

    (void)state;
    load_fails((struct tern_tls_config){.ca_file = "/nowhere/ca.pem"}, TERN_ETLS_TRUST,
               "ca_file \"/nowhere/ca.pem\" cannot be read: No such file");
    load_fails((struct tern_tls_config){.ca_file = "/tmp"}, TERN_ETLS_TRUST,
               "ca_file \"/tmp\" cannot be read: Is a dir");
    load_fails((struct tern_tls_config){.ca_file = empty}, TERN_ETLS_TRUST, "holds no certificate");
    load_fails((struct tern_tls_config){.ca_file = junk}, TERN_ETLS_TRUST, "holds no certificate");
    load_fails((struct tern_tls_config){.ca_pem = "junk", .ca_pem_len = 4}, TERN_ETLS_TRUST, "ca_pem");
    load_fails((struct tern_tls_config){.ca_dir = "/nowhere"}, TERN_ETLS_TRUST, "ca_dir \"/nowhere\"");
    /* insecure is no excuse for a file that is named */
    load_fails((struct tern_tls_config){.ca_file = "/nowhere/ca.pem", .insecure = true}, TERN_ETLS_TRUST, "/nowhere");
    setenv("SSL_CERT_FILE", "/nowhere/env.pem", 1);
    load_fails((struct tern_tls_config){.version_min = TERN_TLS_1_3}, TERN_ETLS_TRUST,
               "SSL_CERT_FILE \"/nowhere/env.pem\"");
    unsetenv("SSL_CERT_FILE");
    unlink(empty);
    unlink(junk);
    free(empty);
    free(junk);
}

static void trust_comes_from_where_it_is_named(void **state)
{
    char dir[] = "/tmp/tern-test-XXXXXX", path[64];
    char *file = cert_file(rig.root_pem);

    (void)state;
    load_is_fine((struct tern_tls_config){.ca_file = file});
    load_is_fine((struct tern_tls_config){.ca_pem = rig.root->der, .ca_pem_len = rig.root->der_len});
    setenv("SSL_CERT_FILE", file, 1);
    load_is_fine((struct tern_tls_config){.version_min = TERN_TLS_1_3});
    unsetenv("SSL_CERT_FILE");

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/readme.txt", dir);
    assert_int_equal(link(file, path), 0);
    load_fails((struct tern_tls_config){.ca_dir = dir}, TERN_ETLS_TRUST, dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/0a1b2c3d.0", dir);
    assert_int_equal(link(file, path), 0);
    load_is_fine((struct tern_tls_config){.ca_dir = dir});
    setenv("SSL_CERT_DIR", dir, 1);
    load_is_fine((struct tern_tls_config){.version_min = TERN_TLS_1_3});
    unsetenv("SSL_CERT_DIR");
    unlink(path);
    rmdir(dir);
    unlink(file);
    free(file);
}

static void identity_that_cannot_be_used_is_named(void **state)
{
    struct cert *own = cert_new((struct cert_spec){.name = "me"}), *other = cert_new((struct cert_spec){.name = "you"});
    char *pem = certs_pem((const struct cert *[]){own}, 1), *key = cert_key_pem(own), *wrong = cert_key_pem(other);
    char *pem_path = cert_file(pem), *key_path = cert_file(key), *wrong_path = cert_file(wrong);
    struct tern_tls_config config = {.ca_pem = rig.root_pem, .ca_pem_len = strlen(rig.root_pem)};

    (void)state;
    config.cert_file = "/nowhere/me.pem";
    load_fails(config, TERN_ETLS_IDENTITY, "cert_file \"/nowhere/me.pem\" cannot be read: No such file");
    config.cert_file = key_path;
    load_fails(config, TERN_ETLS_IDENTITY, "it must hold the certificate");
    config.cert_file = pem_path;
    load_fails(config, TERN_ETLS_IDENTITY, "it must hold a private key");
    config.key_file = "/nowhere/key";
    load_fails(config, TERN_ETLS_IDENTITY, "key_file \"/nowhere/key\" cannot be read");
    config.key_file = wrong_path;
    load_fails(config, TERN_ETLS_IDENTITY, "does not belong to the certificate");
    config.key_file = key_path;
    load_is_fine(config);
    unlink(pem_path);
    unlink(key_path);
    unlink(wrong_path);
    free(pem_path);
    free(key_path);
    free(wrong_path);
    free(pem);
    free(key);
    free(wrong);
    cert_free(own);
    cert_free(other);
}

static void a_key_log_that_cannot_be_written_is_named(void **state)
{
    const struct tern_tls_config config = {
        .ca_pem = rig.root_pem, .ca_pem_len = strlen(rig.root_pem), .keylog_path = "/nowhere/keys"};

    (void)state;
    load_fails(config, TERN_EFILE, "keylog_path \"/nowhere/keys\" cannot be written");
}

static void trust_is_parsed_once_and_shared(void **state)
{
    char *file = cert_file(rig.root_pem);
    const struct tern_tls_config by_memory = {.ca_pem = rig.root_pem, .ca_pem_len = strlen(rig.root_pem)};
    const struct tern_tls_config by_file = {.ca_file = file, .no_resumption = true};
    struct tls_client *first = tls_rig_connect(&rig, &by_memory, "example.test");
    struct tls_client *second = tls_rig_connect(&rig, &by_memory, "example.test");
    struct tls_client *third = tls_rig_connect(&rig, &by_file, "example.test");
    struct tern_tls_trust *trust = first->profile->material->trust;

    (void)state;
    assert_ptr_equal(second->profile->material->trust, trust);
    /* the same content is the same trust, wherever it came from */
    assert_ptr_equal(third->profile->material->trust, trust);
    assert_int_equal(trust->count, 3);
    tls_client_free(first);
    tls_client_free(second);
    assert_int_equal(trust->count, 1);
    assert_true(third->is_open);
    tls_client_free(third);
    unlink(file);
    free(file);
}

static void *acquire(void *user)
{
    struct tern_tls_trust *trust = NULL;

    return tern_tls_trust_acquire(tern_files_posix(), user, &trust, NULL) == TERN_OK ? trust : NULL;
}

/* As the workers of several engines do. */
static void threads_share_one_parse(void **state)
{
    struct tern_tls_profile *profile =
        profile_of((struct tern_tls_config){.ca_pem = rig.root_pem, .ca_pem_len = strlen(rig.root_pem)});
    pthread_t threads[8];
    void *trusts[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, acquire, profile), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_join(threads[i], &trusts[i]), 0);
    assert_non_null(trusts[0]);
    for (int i = 0; i < 8; i++)
        assert_ptr_equal(trusts[i], trusts[0]);
    assert_int_equal(((struct tern_tls_trust *)trusts[0])->count, 8);
    for (int i = 0; i < 8; i++)
        tern_tls_trust_release(trusts[i]);
    tern_tls_profile_release(profile);
}

struct listener {
    struct tern_tls_waiter waiter;
    struct tern_tls_profile *profile;
    int told;
    enum tern_error error;
};

static void on_loaded(struct tern_tls_waiter *waiter, const struct tern_fault *fault)
{
    struct listener *listener = TERN_CONTAINER_OF(waiter, struct listener, waiter);

    listener->told++;
    listener->error = fault->error;
    /* What it waited for is there. */
    if (listener->profile != NULL)
        assert_true(rig.provider->ops->is_loaded(rig.provider, listener->profile));
}

static void waiters_are_told_once_and_never_from_inside(void **state)
{
    struct tern_tls_profile *profile =
        profile_of((struct tern_tls_config){.ca_pem = rig.root_pem, .ca_pem_len = strlen(rig.root_pem)});
    const struct tern_tls_provider_ops *ops = rig.provider->ops;
    struct listener a = {.waiter.on_loaded = on_loaded, .profile = profile}, b = a, c = a;

    (void)state;
    assert_false(ops->is_loaded(rig.provider, profile));
    assert_int_equal(ops->load(rig.provider, profile, &a.waiter), TERN_OK);
    assert_int_equal(ops->load(rig.provider, profile, &b.waiter), TERN_OK);
    assert_int_equal(ops->load(rig.provider, profile, &c.waiter), TERN_OK);
    ops->load_cancel(rig.provider, &b.waiter);
    assert_int_equal(a.told + b.told + c.told, 0);
    tls_rig_run(&rig);
    assert_int_equal(a.told, 1);
    assert_int_equal(b.told, 0);
    assert_int_equal(c.told, 1);
    assert_true(ops->is_loaded(rig.provider, profile));
    ops->load_cancel(rig.provider, &a.waiter);

    /* Loaded already: the answer still comes later. */
    assert_int_equal(ops->load(rig.provider, profile, &b.waiter), TERN_OK);
    assert_int_equal(b.told, 0);
    tls_rig_run(&rig);
    assert_int_equal(b.told, 1);
    assert_int_equal(b.error, TERN_OK);

    /* Nobody waits any more, and the profile goes. */
    assert_int_equal(ops->load(rig.provider, profile, &c.waiter), TERN_OK);
    ops->load_cancel(rig.provider, &c.waiter);
    tern_tls_profile_release(profile);
    tls_rig_run(&rig);
    assert_int_equal(c.told, 1);
}

static void a_failed_load_is_tried_again(void **state)
{
    char path[] = "/tmp/tern-test-XXXXXX";
    struct tern_tls_profile *profile;
    struct listener a = {.waiter.on_loaded = on_loaded};
    FILE *file;

    (void)state;
    assert_true(close(mkstemp(path)) == 0 && unlink(path) == 0);
    profile = profile_of((struct tern_tls_config){.ca_file = path});
    assert_int_equal(rig.provider->ops->load(rig.provider, profile, &a.waiter), TERN_OK);
    tls_rig_run(&rig);
    assert_int_equal(a.error, TERN_ETLS_TRUST);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(rig.root_pem, file);
    fclose(file);
    assert_int_equal(rig.provider->ops->load(rig.provider, profile, &a.waiter), TERN_OK);
    tls_rig_run(&rig);
    assert_int_equal(a.told, 2);
    assert_int_equal(a.error, TERN_OK);
    tern_tls_profile_release(profile);
    unlink(path);
}

/* ---- memory ---- */

/* Each allocation of load, opening and handshake fails in turn: an error or a good end, and never a leak. Those of
 * the server count too, so that it may be the one that gives up. */
static void every_allocation_may_fail(void **state)
{
    const struct tern_tls_config config = {
        .ca_pem = rig.root_pem, .ca_pem_len = strlen(rig.root_pem), .no_resumption = true};
    uint64_t failures = 0;

    (void)state;
    tls_client_free(tls_rig_connect(&rig, &config, "example.test"));
    for (uint64_t n = 1;; n += n < 150 ? 1 : 13) {
        struct tls_client *client;
        bool failed;

        tls_rig_serve(&rig, &(struct tls_server_spec){.no_tickets = true});
        faultmem_fail_nth(n);
        client = tls_rig_connect(&rig, &config, "example.test");
        failed = faultmem_failed();
        faultmem_never_fail();
        if (!failed) {
            assert_true(client->is_open);
            tls_client_free(client);
            break;
        }
        if (!client->is_open)
            failures++;
        if (client->error != TERN_OK)
            assert_int_equal(client->fault.error, client->error);
        tls_client_free(client);
    }
    assert_true(failures > 100);
}

static int setup(void **state)
{
    (void)state;
    tls_rig_init(&rig, NULL);
    return 0;
}

static int setup_worker(void **state)
{
    tls_rig_handshake_threads = 1;
    setup(state);
    tls_rig_handshake_threads = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_rig_deinit(&rig);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_right_is_refused),
        cmocka_unit_test(every_field_shapes),
        cmocka_unit_test(secrets_are_not_in_the_shape),
        cmocka_unit_test(nothing_of_the_configuration_is_kept),
        cmocka_unit_test(a_profile_without_memory_is_none),
        TEST(trust_that_cannot_be_read_is_named),
        TEST(trust_comes_from_where_it_is_named),
        TEST(identity_that_cannot_be_used_is_named),
        TEST(a_key_log_that_cannot_be_written_is_named),
        TEST(trust_is_parsed_once_and_shared),
        TEST(threads_share_one_parse),
        TEST(waiters_are_told_once_and_never_from_inside),
        TEST(a_failed_load_is_tried_again),
        TEST(every_allocation_may_fail),
        cmocka_unit_test_setup_teardown(every_allocation_may_fail, setup_worker, teardown),
    };

    faultmem_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
