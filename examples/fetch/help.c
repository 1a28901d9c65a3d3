#include "help.h"

#include <tern/tern.h>

#include <stdio.h>

static const char text[] =
    "Usage: fetch [options...] URL...\n"
    "\n"
    "Request\n"
    "  -X, --request METHOD        the method to use\n"
    "  -H, --header LINE           send 'Name: value'; 'Name:' sends none, 'Name;' an empty one, @FILE all lines\n"
    "  -I, --head                  ask for the head alone\n"
    "  -d, --data DATA             POST a form; @FILE reads it, @- from standard input\n"
    "      --data-raw, --data-binary, --data-urlencode, --json DATA\n"
    "  -T, --upload-file FILE      PUT a file; - streams standard input\n"
    "  -r, --range FROM-TO         ask for these bytes\n"
    "  -A, --user-agent TEXT       name this program; '' sends none\n"
    "  -e, --referer URL           where the link was found\n"
    "  -u, --user NAME:PASSWORD    Basic authorization\n"
    "      --oauth2-bearer TOKEN   Bearer authorization\n"
    "\n"
    "Output\n"
    "  -o, --output FILE           write the body there; it appears whole or not at all\n"
    "  -O, --remote-name           the same, under the name in the URL\n"
    "      --create-dirs           make missing directories for -o\n"
    "  -i, --include               heads too\n"
    "  -f, --fail                  a status of 400 or above is a failure without output\n"
    "  -s, --silent                no progress, no messages; -S, --show-error keeps messages\n"
    "  -v, --verbose               show what goes over the wire\n"
    "  -w, --write-out FORMAT      print this at the end, with %{variables}; @FILE reads it\n"
    "      --waterfall             draw where the time went\n"
    "\n"
    "Connection\n"
    "  -4, --ipv4, -6, --ipv6      this family of addresses only\n"
    "      --resolve HOST:PORT:ADDRESS[,ADDRESS...]\n"
    "      --connect-to HOST1:PORT1:HOST2:PORT2\n"
    "      --unix-socket PATH      connect there\n"
    "      --interface NAME        bind to this interface or local address\n"
    "      --dns-servers ADDRESS[,ADDRESS...]\n"
    "      --http1.1               speak HTTP/1.1, the default\n"
    "      --http2                 speak HTTP/2 over TLS where the server takes it\n"
    "      --http2-prior-knowledge\n"
    "                              speak HTTP/2 alone, over plaintext too\n"
    "\n"
    "TLS\n"
    "      --cacert FILE, --capath DIRECTORY\n"
    "                              trust these instead of the system's certificates\n"
    "  -E, --cert FILE[:PASSWORD], --key FILE\n"
    "                              the client's own certificate\n"
    "  -k, --insecure              accept any certificate\n"
    "      --pinnedpubkey HASHES   sha256//BASE64[;sha256//BASE64...]\n"
    "      --tlsv1.2, --tlsv1.3, --tls-max VERSION\n"
    "\n"
    "Limits\n"
    "  -m, --max-time SECONDS      for each transfer\n"
    "      --connect-timeout SECONDS\n"
    "      --max-filesize BYTES    end a transfer whose body is larger\n"
    "  -Y, --speed-limit BYTES, -y, --speed-time SECONDS\n"
    "                              end a transfer that is slower than this for so long\n"
    "  -Z, --parallel              several URLs at once\n"
    "      --parallel-max N        so many (default 50)\n"
    "\n"
    "Options\n"
    "  -K, --config FILE           read options from a file, - from standard input\n"
    "  -q, --disable               as the first argument: read no ~/.fetchrc\n"
    "      --url URL               the same as URL alone\n"
    "  -h, --help, -V, --version\n";

void help_print(void)
{
    fputs(text, stdout);
}

void version_print(void)
{
    printf("fetch " TERN_VERSION " tern/%s\n%s\nProtocols: http https\n", tern_version(), tern_version_details());
}
