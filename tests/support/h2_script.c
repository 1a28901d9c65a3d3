#include "tests/support/h2_script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

const struct tern_client_config h2_only = {.http_mode = TERN_HTTP_MODE_2_ONLY, .user_agent = "t"};

static void open_at(struct h2_script *script, struct scenario *s, const char *address, uint16_t setting, uint32_t value)
{
    *script = (struct h2_script){.scenario = s, .peer = scenario_accept_at(s, address)};
    tern_buf_init(&script->out, SIZE_MAX / 2);
    h2_ear_init(&script->ear);
    h2_put_setting(&script->out, setting, value);
    h2_script_say(script);
}

void h2_script_open_with(struct h2_script *script, struct scenario *s, uint16_t setting, uint32_t value)
{
    open_at(script, s, SCENARIO_ADDRESS, setting, value);
}

void h2_script_open(struct h2_script *script, struct scenario *s)
{
    open_at(script, s, SCENARIO_ADDRESS, 0, 0);
}

void h2_script_open_at(struct h2_script *script, struct scenario *s, const char *address)
{
    open_at(script, s, address, 0, 0);
}

void h2_script_close(struct h2_script *script)
{
    tern_buf_deinit(&script->out);
    h2_ear_deinit(&script->ear);
}

void h2_script_say(struct h2_script *script)
{
    simio_say_bytes(script->peer, script->out.data + script->out.head, script->out.len);
    tern_buf_clear(&script->out);
    scenario_run(script->scenario, 0);
}

void h2_script_answer(struct h2_script *script, int32_t id, const char *body)
{
    h2_put_head(&script->out, id, 0, ":status: 200");
    h2_put_data(&script->out, id, H2_END_STREAM, body);
    h2_script_say(script);
}

const char *h2_script_heard(struct h2_script *script)
{
    struct tern_str heard = simio_heard(script->peer);

    assert_int_equal(tern_buf_append(&script->ear.wire, heard.ptr, heard.len), TERN_OK);
    simio_forget(script->peer);
    return h2_ear_frames(&script->ear);
}

void h2_script_hears(struct h2_script *script, const char *text)
{
    const char *heard = h2_script_heard(script);

    if (strstr(heard, text) == NULL)
        assert_string_equal(heard, text);
}

void h2_script_hears_no(struct h2_script *script, const char *text)
{
    const char *heard = h2_script_heard(script);

    if (strstr(heard, text) != NULL)
        fail_msg("\"%s\" is in \"%s\"", text, heard);
}
