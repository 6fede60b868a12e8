#ifndef CAdminProto_H
#define CAdminProto_H
#endif
