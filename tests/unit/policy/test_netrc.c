/* netrc files: what is read, what is refused in which line, and whose credentials a host gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "policy/netrc.h"

static const char *lookup(const struct tern_netrc *netrc, const char *name)
{
    static char out[256];
    const struct tern_netrc_entry *entry;
    struct tern_host host;

    assert_int_equal(tern_host_parse(&host, tern_str(name), NULL), TERN_OK);
    entry = tern_netrc_find(netrc, &host);
    if (entry == NULL)
        return "none";
    snprintf(out, sizeof(out), "%.*s:%.*s", TERN_ARG(entry->user), TERN_ARG(entry->password));
    return out;
}

static void test_what_hosts_get(void **state)
{
    static const struct {
        const char *text, *host, *found;
    } cases[] = {
        {"machine a.test login u password p", "a.test", "u:p"},
        {"machine a.test login u password p", "b.test", "none"},
        {"machine a.test login u password p", "www.a.test", "none"},
        {"machine a.test login u password p", "xa.test", "none"},
        {"", "a.test", "none"},
        {"\n\n# nothing\n", "a.test", "none"},
        /* Hosts are what they are, however written. */
        {"machine A.Test. login u password p", "a.test", "u:p"},
        {"machine b\xc3\xbc"
         "cher.test login u password p",
         "xn--bcher-kva.test", "u:p"},
        {"machine [2001:DB8:0::1] login u password p", "2001:db8::1", "u:p"},
        {"machine 192.0.2.1 login u password p", "192.0.2.1", "u:p"},
        /* The first that fits; default behind all. */
        {"machine a.test login u password p machine a.test login v password q", "a.test", "u:p"},
        {"machine b.test login b\ndefault login d password e\n", "a.test", "d:e"},
        {"machine a.test login u password p\ndefault login d password e\n", "a.test", "u:p"},
        {"default login d", "192.0.2.1", "d:"},
        {"machine a.test password p", "a.test", ":p"},
        {"machine a.test\ndefault login d password e", "a.test", "none"},
        {"machine a.test account x\ndefault", "b.test", "none"},
        /* Words. */
        {"machine\na.test\r\n\tlogin\n u\n\n password\tp", "a.test", "u:p"},
        {"machine a.test login \"u v\" password \"p \\\"q\\\" \\\\ r\"", "a.test", "u v:p \"q\" \\ r"},
        {"machine a.test login \"\" password \"\"", "a.test", ":"},
        {"machine a.test login u password p#q", "a.test", "u:p#q"},
        {"machine a.test # here\n login u # there login x\n password p # machine", "a.test", "u:p"},
        {"machine a.test login u password #p", "a.test", "u:#p"},
        {"machine a.test login u account acc password p", "a.test", "u:p"},
        {"machine a.test login password password machine", "a.test", "password:machine"},
        /* Macros end with an empty line. */
        {"machine b.test login b\nmacdef init\ncd /x\nmachine a.test login evil\n\nmachine a.test login u password p",
         "a.test", "u:p"},
        {"macdef x\nmachine a.test login evil\n \t\nmachine a.test login u password p", "a.test", "u:p"},
        {"machine a.test login u password p\nmacdef init\nmachine b.test login evil", "b.test", "none"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tern_keep keep = {NULL};
        struct tern_fault fault;
        struct tern_netrc netrc;

        if (tern_netrc_parse(&netrc, tern_str(cases[i].text), &keep, &fault) != TERN_OK)
            fail_msg("%s: %s", cases[i].text, fault.text);
        if (strcmp(lookup(&netrc, cases[i].host), cases[i].found) != 0)
            fail_msg("%s: %s gets %s", cases[i].text, cases[i].host, lookup(&netrc, cases[i].host));
        tern_keep_deinit(&keep);
    }
}

static void test_what_is_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"login u", "netrc, line 1: must begin with machine, default or macdef"},
        {"\n\nmachine", "netrc, line 3: machine needs a host"},
        {"machine a.test login", "netrc, line 1: login needs a name"},
        {"machine a.test login u\npassword\n\n", "netrc, line 4: password needs a word"},
        {"machine a.test account", "netrc, line 1: account needs a word"},
        {"machine a..test", "netrc, line 1: the machine's name is no host"},
        {"machine a.test login \"u", "netrc, line 1: a quoted word does not end"},
        {"machine a.test login \"u\npassword\" password p", "netrc, line 1: a quoted word does not end"},
        {"machine a.test login \"u\\", "netrc, line 1: a quoted word does not end"},
        {"machine a.test login \"u\\\n\"", "netrc, line 1: a quoted word does not end"},
        {"machine a.test login u\nsecret", "netrc, line 2: none of machine, default"},
        {"machine a.test login u:v", "netrc, line 1: a login must not hold a colon"},
        {"machine a.test login \"u\\r\\nEvil\"", "netrc, line 1: a name or password must not hold control characters"},
        {"default login d\nmachine a.test login u", "netrc, line 2: default must be the last entry"},
        {"default login d default login e", "netrc, line 1: default must be the last entry"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tern_keep keep = {NULL};
        struct tern_fault fault;
        struct tern_netrc netrc;

        assert_int_equal(tern_netrc_parse(&netrc, tern_str(cases[i].text), &keep, &fault), TERN_ECONFIG);
        if (strncmp(fault.text, cases[i].why, strlen(cases[i].why)) != 0)
            fail_msg("%s: %s", cases[i].text, fault.text);
        assert_null(strstr(fault.text, "secret"));
        tern_keep_deinit(&keep);
    }
}

static void test_not_endless(void **state)
{
    struct tern_keep keep = {NULL};
    struct tern_fault fault;
    struct tern_netrc netrc;
    size_t len = TERN_NETRC_BYTES_MAX + 1;
    char *text = malloc(len);

    (void)state;
    memset(text, '"', len);
    assert_int_equal(tern_netrc_parse(&netrc, tern_str_n(text, len), &keep, &fault), TERN_ECONFIG);
    tern_keep_deinit(&keep);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_hosts_get),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_not_endless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
