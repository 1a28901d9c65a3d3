/* fetch/help.h - what --help and --version print. */
#ifndef FETCH_HELP_H
#define FETCH_HELP_H

void help_print(void);
void version_print(void);

#endif
