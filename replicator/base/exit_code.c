/* exit_code.c - see exit_code.h */
#include "base/exit_code.h"

enum exit_code exit_code_of(enum error_class class)
{
	switch (class) {
	case ERROR_TRANSIENT:
	case ERROR_AUTHENTICATION:
		return EXIT_CONNECTION;
	case ERROR_CONFIGURATION:
		return EXIT_CONFIGURATION;
	case ERROR_EVENT:
	case ERROR_CONSTRAINT:
	case ERROR_TARGET:
		return EXIT_EVENT;
	case ERROR_GAP:
		return EXIT_GAP;
	case ERROR_FENCED:
		return EXIT_FENCED;
	case ERROR_INTERRUPTED:
		return EXIT_OK;
	case ERROR_SYSTEM:
		return EXIT_SYSTEM;
	}
	return EXIT_SYSTEM;
}
