/* The program: everything it can do is a command of cli/. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        puts("tern 0.1.0");
        return 0;
    }
    fprintf(stderr, "usage: tern version\n");
    return 2;
}
