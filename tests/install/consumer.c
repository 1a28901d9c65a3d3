/* A program as someone else would write it, over the installed headers. It has functions named like those of the
 * libraries that tern carries inside: were these to collide, it would not link, or tern would run into them. */
#include <stdlib.h>
#include <tern/tern.h>

void mbedtls_ssl_init(void *ssl);
void llhttp_init(void *parser);

void mbedtls_ssl_init(void *ssl)
{
    (void)ssl;
    abort();
}

void llhttp_init(void *parser)
{
    (void)parser;
    abort();
}

int main(void)
{
    struct tern_engine *engine = NULL;
    struct tern_client *client = NULL;
    struct tern_fault why;
    if (tern_engine_new(NULL, &engine, &why) != TERN_OK) {
        return 1;
    }
    if (tern_client_new(engine, NULL, &client, &why) != TERN_OK) {
        return 2;
    }
    return tern_engine_free(engine) == TERN_OK ? 0 : 3;
}
