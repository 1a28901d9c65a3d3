/* The TLS byte stream: handshake, bytes both ways, ends, faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/tls_rig.h"

static void handshakes_and_echoes(void **state)
{
    struct tls_rig rig;
    struct tls_client *client;

    (void)state;
    tls_rig_init(&rig, NULL);
    client = tls_rig_connect(&rig, NULL, "example.test");
    if (client->flow == TERN_FLOW_ERROR || client->error)
        print_message("%s\n", client->fault.text);
    assert_true(client->is_open);
    assert_string_equal(client->info.version, "TLSv1.3");
    assert_false(client->info.resumed);
    assert_int_equal(client->info.verify->error, TERN_OK);

    tls_client_write(client, "ping");
    tls_rig_expect(&rig, "ping");
    tls_server_say(tls_rig_server(&rig), "pong");
    tls_rig_run(&rig);
    assert_int_equal(client->got.len, 4);
    tls_rig_deinit(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_and_echoes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
