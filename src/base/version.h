/* The program's version, as `tern version` prints it and servers tell it. */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#define TERN_VERSION "0.1.0"

#endif
