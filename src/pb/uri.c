/* Checks URIs against the grammar of RFC 3986. Pure functions, any thread. */
#include "pb/uri_int.h"

#define UNRESERVED "-._~"
#define SUB_DELIMS "!$&'()*+,;="

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Letters, digits, percent escapes and the characters of `more`. */
static bool made_of(str s, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            if (s.n - i < 3 || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2]))
                return false;
            i += 2;
        } else if (!is_alpha(c) && !is_digit(c) && (c == 0 || !strchr(more, c))) {
            return false;
        }
    }
    return true;
}

static bool scheme_ok(str s)
{
    if (s.n == 0 || !is_alpha(s.p[0]))
        return false;
    for (size_t i = 1; i < s.n; i++) {
        if (!is_alpha(s.p[i]) && !is_digit(s.p[i]) && !(s.p[i] && strchr("+-.", s.p[i])))
            return false;
    }
    return true;
}

static bool ipv4_ok(str s)
{
    str rest = s, piece;
    int parts = 0;
    while (str_next(&rest, '.', &piece)) {
        uint64_t v;
        if (piece.n == 0 || piece.n > 3 || (piece.n > 1 && piece.p[0] == '0') || !str_to_u64(piece, &v) || v > 255)
            return false;
        parts++;
    }
    return parts == 4;
}

/* Groups of hexadecimal digits; "::" once, in place of at least one; an IPv4 address may stand for the last two. */
static bool ipv6_ok(str s)
{
    str groups[9], rest = s, piece;
    size_t n = 0, gap = SIZE_MAX, words = 0;
    while (n < 9 && str_next(&rest, ':', &piece))
        groups[n++] = piece;
    if (rest.n || n < 3 || str_ends(s, STR(":")) != str_ends(s, STR("::")) ||
        str_starts(s, STR(":")) != str_starts(s, STR("::")))
        return false;
    for (size_t i = 0; i < n; i++) {
        bool last = i == n - 1;
        if (groups[i].n == 0 && (i == 0 || last))
            continue;
        if (groups[i].n == 0) {
            if (gap != SIZE_MAX)
                return false;
            gap = i;
        } else if (last && ipv4_ok(groups[i])) {
            words += 2;
        } else {
            for (size_t j = 0; j < groups[i].n; j++) {
                if (!is_hex(groups[i].p[j]))
                    return false;
            }
            if (groups[i].n > 4)
                return false;
            words++;
        }
    }
    return gap == SIZE_MAX ? words == 8 : words < 8;
}

/* Between the brackets. */
static bool ip_literal_ok(str s)
{
    str version, address;
    if (s.n && (s.p[0] == 'v' || s.p[0] == 'V')) {
        if (!str_cut(str_skip(s, 1), '.', &version, &address) || version.n == 0 || address.n == 0)
            return false;
        for (size_t i = 0; i < version.n; i++) {
            if (!is_hex(version.p[i]))
                return false;
        }
        return str_find_char(address, '%') == SIZE_MAX && made_of(address, UNRESERVED SUB_DELIMS ":");
    }
    size_t zone = str_find_char(s, '%');
    if (zone == SIZE_MAX)
        return ipv6_ok(s);
    str id = str_skip(s, zone);
    return ipv6_ok(str_head(s, zone)) && str_starts(id, STR("%25")) && id.n > 3 && made_of(str_skip(id, 3), UNRESERVED);
}

/* userinfo@host:port, the first and the last optional. */
static bool authority_ok(str s)
{
    size_t at = str_find_char(s, '@');
    if (at != SIZE_MAX) {
        if (!made_of(str_head(s, at), UNRESERVED SUB_DELIMS ":"))
            return false;
        s = str_skip(s, at + 1);
    }
    size_t host_end;
    if (str_starts(s, STR("["))) {
        size_t close = str_find_char(s, ']');
        if (close == SIZE_MAX || !ip_literal_ok(str_skip(str_head(s, close), 1)))
            return false;
        host_end = close + 1;
    } else {
        size_t colon = str_find_char(s, ':');
        host_end = colon == SIZE_MAX ? s.n : colon;
        if (!made_of(str_head(s, host_end), UNRESERVED SUB_DELIMS))
            return false;
    }
    str port = str_skip(s, host_end);
    if (port.n && port.p[0] != ':')
        return false;
    for (size_t i = 1; i < port.n; i++) {
        if (!is_digit(port.p[i]))
            return false;
    }
    return true;
}

bool pb_uri_is_valid(str s)
{
    str scheme, rest, fragment, query;
    if (!str_cut(s, ':', &scheme, &rest) || !scheme_ok(scheme))
        return false;
    str_cut(rest, '#', &rest, &fragment);
    str_cut(rest, '?', &rest, &query);
    if (!made_of(fragment, UNRESERVED SUB_DELIMS ":@/?") || !made_of(query, UNRESERVED SUB_DELIMS ":@/?"))
        return false;
    if (str_starts(rest, STR("//"))) {
        rest = str_skip(rest, 2);
        size_t slash = str_find_char(rest, '/');
        str authority = slash == SIZE_MAX ? rest : str_head(rest, slash);
        rest = str_skip(rest, authority.n);
        if (!authority_ok(authority))
            return false;
    }
    return made_of(rest, UNRESERVED SUB_DELIMS ":@/");
}
