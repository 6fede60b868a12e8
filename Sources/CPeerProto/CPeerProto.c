#include "CPeerProto.h"
