#ifndef CPeerProto_H
#define CPeerProto_H
#endif
