import Address
import Policy
import Testing

@Suite struct HostTests {
    @Test(arguments: [
        ("Example.ORG", "example.org"), ("example.org.", "example.org"), ("_dmarc.a-b.x1", "_dmarc.a-b.x1"), ("a", "a"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"), ("1.2.3.4.example", "1.2.3.4.example"), ("0xyz", "0xyz"),
        ("3com.com", "3com.com"), ("localhost", "localhost"),
    ])
    func `A name is normalised`(_ text: String, _ name: String) throws {
        #expect(try Host(text) == .name(name))
    }

    @Test(arguments: ["192.0.2.1", "192.0.2.1.", "127.0.0.1", "::1", "2001:DB8::1", "::ffff:127.0.0.1"])
    func `An address given as a name is that address`(_ text: String) throws {
        #expect(try Host(text) == .address(IPAddress(text.hasSuffix(".") ? String(text.dropLast()) : text)!))
    }

    @Test(arguments: [
        "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0x7f000001", "127.0.0.01", "1.2.3.256", "1.2.3.4.5", "0x",
        "1.0X7F",
        "127.0.0.1..", "256", "foo.1", "foo.0x1f", "00",
    ])
    func `Other spellings of an address never reach the resolver`(_ text: String) {
        #expect(throws: Refusal.self) { try Host(text) }
    }

    @Test func `What is no name is refused`() {
        let label = String(repeating: "a", count: 63)
        let longest = [label, label, label, String(label.dropLast(2))].joined(separator: ".")
        #expect(longest.utf8.count == 253)
        #expect(throws: Never.self) { try Host(longest) }
        #expect(throws: Never.self) { try Host(longest + ".") }
        for text in [
            "", ".", "..", "a..b", ".a", "a b", "a\u{0}b", "bücher.de", "a/b", "a@b", "a%00", "[::1]", "fe80::1%eth0",
            "a:80",
            "*", "a,b", label + "a", longest + "a",
        ] {
            #expect(throws: Refusal.self, "\(text)") { try Host(text) }
        }
    }

    @Test func `The refusal shows the host in printable form only`() {
        #expect(
            refusal { () throws(Refusal) in try Host("evil\u{1b}[31m\n") }
                == #"the host "evil?[31m?" is not made of letters, digits, hyphens and dots alone"#)
        #expect(
            refusal { () throws(Refusal) in try Host("0x7f.1") }
                == #"the host "0x7f.1" is an ambiguous spelling of an IPv4 address; write four decimal numbers"#)
    }
}
