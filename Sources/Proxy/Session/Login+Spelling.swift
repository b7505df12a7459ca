@_spi(_Unicode) import Swift
import Wire

// One password, three spellings: UTF-8 is what RFC 7617 §2.1 asks for, ISO-8859-1 what older programs send all the same, and a keyboard
// may give a letter and its accent apart (NFD). All are the one that the user chose (RFC 8265 §4.2: NFC).
extension Login {
    /// With name and password as they are stored.
    var normalized: Login {
        Login(name: Self.normalized(name), password: Self.normalized(password))
    }

    /// The ways in which the password may have been hashed: normalized; and as it came, as it was before there was a normal form.
    var spellings: [[UInt8]] {
        let normal = Self.normalized(password)
        return normal == password || String(validating: password, as: UTF8.self) == nil ? [normal] : [normal, password]
    }

    /// Bytes that are no UTF-8 are taken for ISO-8859-1, whose codes are Unicode's first.
    static func normalized(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.allSatisfy({ $0 < 0x80 }) { return bytes }
        let text =
            String(validating: bytes, as: UTF8.self)
            ?? String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
        return text.normalizedUTF8
    }
}

extension String {
    /// As UTF-8, each letter and its accents one scalar where there is one (UAX #15, NFC).
    package var normalizedUTF8: [UInt8] {
        var scalars = UnicodeScalarView()
        for scalar in _nfc { scalars.append(scalar) }
        return Array(String(scalars).utf8)
    }
}
