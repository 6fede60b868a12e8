#include "CAdminProto.h"
