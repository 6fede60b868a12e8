#include "CCRIProto.h"
