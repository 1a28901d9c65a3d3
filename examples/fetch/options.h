/* fetch/options.h - what the command line and config files ask for.
 *
 * Names and meanings are curl's; docs/FETCH.md lists them with the departures. Nothing here opens a connection or knows
 * tern: options are plain values, checked for form only. */
#ifndef FETCH_OPTIONS_H
#define FETCH_OPTIONS_H

#include "failure.h"
#include "text.h"

enum body_source { BODY_NONE, BODY_FORM, BODY_JSON };

/* The protocols that --proto and --proto-redir speak of. */
enum proto { PROTO_HTTP = 1, PROTO_HTTPS = 2, PROTO_ALL = PROTO_HTTP | PROTO_HTTPS };

/* Strings are borrowed: from argv, or from `owned`. */
struct options {
    /* What to fetch. The nth output and the nth upload belong to the nth URL. */
    struct strings urls;
    struct strings outputs; /* a NULL stands for -O */
    struct strings uploads;

    /* The request. */
    const char *method;
    struct strings fields; /* "Name: value", "Name:" or "Name;" */
    enum body_source body_source;
    struct text body;
    bool head;
    const char *user_agent; /* NULL: fetch's own; "": none */
    const char *referer;
    const char *user; /* "name:password" */
    const char *bearer;
    bool basic, digest, anyauth;
    bool netrc, netrc_optional;
    const char *netrc_file;
    const char *netrc_text; /* what that holds, or ~/.netrc. NULL: not asked for */
    const char *range;
    struct strings cookies; /* of -b: data ("name=value") and files */
    const char *cookie_jar;
    bool junk_session_cookies;
    const char *hsts;  /* a file, or "": none is kept */
    struct text query; /* of --url-query, and with -G the data: put behind each URL */
    bool get;
    bool compressed;

    /* The connection. */
    unsigned ip_family;
    unsigned http_mode; /* enum tern_http_mode */
    struct strings resolve;
    struct strings connect_to;
    const char *unix_socket;
    const char *interface;
    const char *dns_servers;
    bool insecure;
    const char *ca_file;
    const char *ca_dir;
    const char *cert; /* "file" or "file:password" */
    const char *key;
    const char *pins;
    unsigned tls_min; /* enum tern_tls_version, as the next */
    unsigned tls_max;

    /* Limits. 0: not set. */
    uint64_t total_ns;
    uint64_t connect_ns;
    uint64_t speed_ns;
    uint64_t speed_bytes_per_s;
    uint64_t body_bytes_max;
    bool parallel;
    uint64_t parallel_max;

    /* Redirects. */
    bool location;
    bool location_trusted;
    bool has_max_redirs;
    uint32_t max_redirs; /* UINT32_MAX: any number */
    bool post301;
    bool post302;
    bool post303;
    unsigned proto_denied; /* of enum proto */
    unsigned proto_redir_denied;
    bool has_proto_redir;

    /* Trying again, and how often. */
    uint64_t retry;
    uint64_t retry_delay_ns; /* 0: longer each time */
    uint64_t retry_max_time_ns;
    bool retry_all_errors;
    bool retry_connrefused;
    uint32_t budget_percent; /* 0: any share */
    uint32_t budget_min;
    uint64_t rate_calls; /* 0: no limit */
    uint64_t rate_period_ns;
    uint64_t hedge_ns; /* 0: off */
    bool gate_public;

    /* What is shown, and where. */
    bool create_dirs;
    bool include;
    bool fail;
    bool fail_with_body;
    bool silent;
    bool show_error;
    bool verbose;
    const char *write_out;
    bool waterfall;
    bool audit;

    /* What to do instead. */
    bool help;
    bool version;

    struct strings owned; /* texts read from files */
};

/* Reads the default config file (unless the first argument is -q) and then argv. Errors: false, failure says why. */
bool options_parse(struct options *o, int argc, char *const *argv, struct failure *failure);
void options_free(struct options *o);

/* Takes "--name" or "-abc", with next as the value if one is wanted; *took tells whether it was. For one word of the
 * command line or one line of a config file. depth counts the config files that are being read. */
bool options_take(struct options *o, const char *word, const char *next, bool *took, unsigned depth,
                  struct failure *failure);

/* Reads a config file ("-": standard input), each line as one option. */
bool config_read(struct options *o, const char *path, unsigned depth, struct failure *failure);

/* What a file holds, owned by o; NULL and a failure where it cannot be read. */
char *options_file(struct options *o, const char *path, const char *option, struct failure *failure);

/* Whether a value of -b is what to send, and no file; "" is a file that is never there. */
bool cookie_is_data(const char *value);

/* The body options: -d, --data-raw, --data-binary, --data-urlencode, --json. */
enum data_kind { DATA_PLAIN, DATA_RAW, DATA_BINARY, DATA_URLENCODE, DATA_JSON };
bool data_add(struct options *o, enum data_kind kind, const char *value, struct failure *failure);
/* One --url-query: as --data-urlencode, or as it stands behind a '+'. */
bool data_add_query(struct options *o, const char *value, struct failure *failure);

#endif
