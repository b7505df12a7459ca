import Foundation
import Testing
import Wire

@Suite struct BasicCredentialsTests {
    private func parse(_ text: String) -> Login? { BasicCredentials.parse(ArraySlice(text.utf8)) }

    @Test func `The example of RFC 7617 is read`() {
        #expect(
            parse("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==") == Login(name: bytes("Aladdin"), password: bytes("open sesame"))
        )
        #expect(parse("bAsIc   dGVzdDoxMjPCow==") == Login(name: bytes("test"), password: bytes("123£")))
    }

    @Test func `A password may hold colons and be empty; the first colon ends the name`() {
        for (name, password) in [("a", "b:c:"), ("a", ""), ("", "x")] {
            let encoded = Data(bytes("\(name):\(password)")).base64EncodedString()
            #expect(parse("Basic \(encoded)") == Login(name: bytes(name), password: bytes(password)))
        }
    }

    @Test(arguments: [
        "", "Basic", "Basic ", "Bearer QTpC", "BasicQTpC", "Basic QTp", "Basic QTpC=", "Basic QTpC====",
        "Basic QTpC QTpC",
        "Basic QUJD", "Basic QTp-", "Basic Q=pC", "Basic =", "Basic ====", "Basic QTo=\t", "Basic QTp=",
        "Basic QTpCCg==",
        "Basic QTpCAA==", "Basic QX==",
    ])
    func `Anything else is no login`(_ text: String) {
        #expect(parse(text) == nil)
    }

    @Test func `Base64 is read as Foundation writes it, for every length`() {
        var noise = Noise(state: 64)
        for length in 0..<100 {
            let password = (0..<length).map { _ in UInt8.random(in: 0x20...0x7e, using: &noise) }
            let encoded = Data(bytes("u:") + password).base64EncodedString()
            #expect(parse("Basic \(encoded)")?.password == password)
        }
    }
}
