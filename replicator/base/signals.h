/*
 * signals.h - SIGTERM and SIGINT ask to finish the batch and leave, a second one (not within half a second of the
 * first) leaves at once; SIGHUP asks to reload.
 * Handlers only set flags. signals_install is called once by main before threads are made.
 */
#ifndef REPLICATOR_BASE_SIGNALS_H
#define REPLICATOR_BASE_SIGNALS_H

#include <stdbool.h>

void signals_install(void);
bool signals_stop_requested(void);
bool signals_take_reload(void);  /* true once for each SIGHUP */
void signals_request_stop(void); /* as if SIGTERM had come: a thread met its end */

#endif
