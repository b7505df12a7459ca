// libqrencode as Swift sees it: text to the modules of a QR code.
#pragma once
#include <qrencode.h>
