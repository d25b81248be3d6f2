/* Any text as a configuration: it is refused with a message, or what is printed of it reads back the same. */
#include "rmfer/config/config.h"

#include "rmfer/base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct config config, again;
    struct error err = {0};
    struct text first = {0}, second = {0};
    if (memchr(bytes, '\0', size) != NULL) return -1;
    char *text = malloc(size + 1);
    if (text == NULL) return -1;
    memcpy(text, bytes, size);
    text[size] = '\0';
    if (config_parse(&config, text, "fuzz.ini", "/base", NULL, 0, &err) == STATUS_OK) {
        if (config_print(&config, &first, &err) != STATUS_OK) abort();
        if (config_parse(&again, text_string(&first), "again.ini", "/other", NULL, 0, &err) != STATUS_OK) abort();
        if (config_print(&again, &second, &err) != STATUS_OK) abort();
        if (strcmp(text_string(&first), text_string(&second)) != 0) abort();
        config_free(&again);
    } else if (err.message[0] == '\0') {
        abort();
    }
    config_free(&config);
    text_free(&first);
    text_free(&second);
    free(text);
    return 0;
}
