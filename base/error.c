#include "tern/error.h"

struct error_row {
    const char *name;
    const char *text;
    enum tern_error_class class_;
};

static const struct error_row rows[] = {
#define TERN_X(name, class_, text) {"TERN_" #name, text, TERN_CLASS_##class_},
    TERN_ERROR_TABLE(TERN_X)
#undef TERN_X
};

static const char *const class_names[] = {
    [TERN_CLASS_NONE] = "none",       [TERN_CLASS_USAGE] = "usage",
    [TERN_CLASS_LOCAL] = "local",     [TERN_CLASS_DNS] = "dns",
    [TERN_CLASS_CONNECT] = "connect", [TERN_CLASS_TLS] = "tls",
    [TERN_CLASS_PEER] = "peer",       [TERN_CLASS_PROTOCOL] = "protocol",
    [TERN_CLASS_TIMEOUT] = "timeout", [TERN_CLASS_CANCELLED] = "cancelled",
    [TERN_CLASS_POLICY] = "policy",
};

/* What is no code at all can only be the mistake of the program that asks. */
static const struct error_row unknown = {"TERN_?", "an unknown error", TERN_CLASS_USAGE};

static const struct error_row *row_of(enum tern_error error)
{
    return (unsigned)error < TERN_ERROR_COUNT ? &rows[error] : &unknown;
}

const char *tern_error_name(enum tern_error error)
{
    return row_of(error)->name;
}

const char *tern_error_text(enum tern_error error)
{
    return row_of(error)->text;
}

enum tern_error_class tern_error_class(enum tern_error error)
{
    return row_of(error)->class_;
}

const char *tern_error_class_name(enum tern_error_class class_)
{
    return (size_t)class_ < sizeof(class_names) / sizeof(class_names[0]) ? class_names[class_] : "unknown";
}
