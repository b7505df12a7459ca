// c-ares as Swift sees it: names to addresses, without a thread.
#pragma once
#include <ares.h>
