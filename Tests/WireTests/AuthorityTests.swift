import Testing
import Wire

@Suite struct AuthorityTests {
    @Test func `A host and a port are read, an IPv6 address from its brackets`() throws {
        let name = try Authority(Array("Example.ORG:443".utf8)[...])
        #expect(name.host == "Example.ORG" && name.port == 443 && !name.isBracketed)
        let v6 = try Authority(Array("[2001:db8::1]:65535".utf8)[...])
        #expect(v6.host == "2001:db8::1" && v6.port == 65535 && v6.isBracketed)
        let mapped = try Authority(Array("[::ffff:192.0.2.1]:1".utf8)[...])
        #expect(mapped.host == "::ffff:192.0.2.1" && mapped.isBracketed)
    }

    @Test(arguments: [
        "", ":", ":443", "example.org", "example.org:", "example.org:0", "example.org:65536",
        "example.org:99999999999999999999",
        "example.org:+1", "example.org:-1", "example.org:0443", "example.org:44 3", "example.org:443/",
        "user@example.org:443",
        "http://example.org:443", "exa%6dple.org:443", "2001:db8::1:443", "[2001:db8::1]", "[2001:db8::1:443", "[]:443",
        "[fe80::1%25eth0]:443", "[fe80::1%eth0]:443", "[example.org]:443", "[::1]x:443", "x[::1]:443", "a,b:443",
        "a b:443",
    ])
    func `Anything else is a 400`(_ text: String) {
        do {
            _ = try Authority(Array(text.utf8)[...])
            Issue.record("\(text) was accepted")
        } catch { #expect(error.status == .badRequest) }
    }
}
