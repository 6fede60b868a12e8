#ifndef CARES_SHIM_H
#define CARES_SHIM_H
#include <ares.h>
#include <arpa/nameser.h>

/* Enumeration constants of arpa/nameser.h, as the plain integers that c-ares takes. */
static const int cares_class_internet = ns_c_in;
static const int cares_type_a = ns_t_a;
static const int cares_type_aaaa = ns_t_aaaa;
static const int cares_type_srv = ns_t_srv;
#endif
