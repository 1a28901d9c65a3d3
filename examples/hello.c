/* The smallest program over tern: one URL, its body on the standard output.
 *
 *     cc hello.c $(pkg-config --cflags --libs tern) -o hello && ./hello http://localhost/ */
#include <tern/tern.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s URL\n", argv[0]);
        return 2;
    }

    /* An engine is one thread's event loop; a client holds settings and connections. NULL: all defaults. */
    struct tern_engine *engine = NULL;
    struct tern_client *client = NULL;
    struct tern_response *response = NULL;
    struct tern_fault why = {0};
    enum tern_error error = tern_engine_new(NULL, &engine, &why);
    if (error == TERN_OK)
        error = tern_client_new(engine, NULL, &client, &why);

    /* For a script, wait for the whole answer. A service starts calls with tern_call_start and gets callbacks. */
    if (error == TERN_OK) {
        struct tern_request request = {.url = tern_str(argv[1])};
        error = tern_perform(client, &request, 0, &response, &why);
    }

    if (error == TERN_OK)
        fwrite(response->body, 1, response->body_len, stdout);
    else
        fprintf(stderr, "%s\n", why.text);

    tern_response_free(response);
    tern_client_close(client, TERN_CLOSE_DROP);
    tern_engine_free(engine);
    return error == TERN_OK ? 0 : 1;
}
