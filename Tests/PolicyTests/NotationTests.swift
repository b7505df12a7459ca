import Address
import Policy
import Testing

@Suite struct NotationTests {
    @Test(arguments: [
        ("1.2.3.4", "1.2.3.4"), ("0.0.0.0", "0.0.0.0"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("::", "::"),
        ("1::", "1::"), ("::ffff:1.2.3.4", "::ffff:1.2.3.4"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
        ("64:ff9b::1.2.3.4", "64:ff9b::102:304"), ("1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0"),
    ])
    func `An address is printed in its one canonical form`(_ text: String, _ canonical: String) {
        #expect(IPAddress(text)?.description == canonical)
        #expect(IPAddress(canonical) == IPAddress(text))
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.+4", "0x1.2.3.4", " 1.2.3.4", ":", ":::",
        "1::2::3",
        "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "12345::", "g::", "fe80::1%eth0", "[::1]",
        "1.2.3.4::",
        "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4",
    ])
    func `What is no address is none`(_ text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `Endpoints and networks are strict`() {
        #expect(Endpoint("[::1]:80")?.description == "[::1]:80")
        for text in ["1.2.3.4", "1.2.3.4:0", "1.2.3.4:65536", "::1:80", "[1.2.3.4]:80", "[::1]", "a:80", "1.2.3.4:080"]
        {
            #expect(Endpoint(text) == nil, "\(text)")
        }
        #expect(Network("10.0.0.0/8")?.description == "10.0.0.0/8")
        #expect(Network("::1")?.description == "::1/128")
        for text in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8", "::1/64", "10.0.0.0/08"] {
            #expect(Network(text) == nil, "\(text)")
        }
        #expect(Network("0.0.0.0/0")!.contains(IPAddress("255.1.2.3")!))
        #expect(!Network("0.0.0.0/0")!.contains(IPAddress("::1")!))
        #expect(!Network("10.0.0.0/9")!.contains(IPAddress("10.128.0.0")!))
    }

    @Test func `A hardware address is printed as it is written, and is in the order of its text`() {
        var addresses: [HardwareAddress] = []
        for number in 0..<1000 {
            let bytes = (0..<6).map { _ in UInt8.random(in: 0...255) }.map { number % 3 == 0 ? $0 & 0x0f : $0 }
            guard let address = HardwareAddress(bytes: bytes) else { continue }
            let text = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
            #expect(address.description == text && HardwareAddress(text) == address && address.bytes == bytes)
            #expect(address.isRandomised == (bytes[0] & 2 != 0))
            addresses.append(address)
        }
        #expect(addresses.sorted().map(\.description) == addresses.map(\.description).sorted())
    }

    @Test func `Lists are told apart by what is between their equal beginnings and ends`() {
        let list = Array(0..<10)
        func trimmed(_ one: [Int], _ other: [Int]) -> [[Int]] {
            let (mine, others) = one.trimmed(against: other)
            // What goes to a relay names the rest by where these stand.
            #expect(one[..<mine.startIndex] + mine + one[mine.endIndex...] == one[...])
            return [Array(mine), Array(others)]
        }
        #expect(trimmed(list, list) == [[], []] && trimmed(list, Array(0..<10)) == [[], []])
        #expect(trimmed([], list) == [[], list] && trimmed(list, []) == [list, []])
        #expect(trimmed(list, list.filter { $0 != 4 }) == [[4], []])
        #expect(trimmed([1, 1, 1], [1, 1]) == [[1], []] && trimmed([1, 1], [1, 1, 1]) == [[], [1]])
        #expect(trimmed([1, 2, 3], [1, 9, 8, 3]) == [[2], [9, 8]])
    }

    @Test func `A password hash keeps its notation, and a cost beyond bounds is none`() {
        #expect(PasswordHash(hash)?.description == hash)
        for text in [
            "", "secret", hash + "$", "scrypt$14$8$1$00$00", hash.replacing("scrypt", with: "bcrypt"),
            hash.replacing("$14$", with: "$30$"), hash.replacing("$8$", with: "$0$"), hash + "0", hash + "zz",
        ] {
            #expect(PasswordHash(text) == nil, "\(text)")
        }
    }
}
