#ifndef CCRIProto_H
#define CCRIProto_H
#endif
