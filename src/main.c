/* The program: everything it can do is a command of cli/. */
#include "cli/cli.h"

#include <malloc.h>

int main(int argc, char **argv)
{
    /* Large blocks are mapped, so that they go back to the system when they are freed. Left alone, glibc raises the bound
     * after the first large message, and a burst of them stays with the process for good. */
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    return cli_main(argc, argv);
}
