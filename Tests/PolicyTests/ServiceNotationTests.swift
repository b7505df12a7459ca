import Address
import Testing

@testable import Policy

@Suite struct `What a zone is served with` {
    @Test(arguments: [
        "dhcp, names", "names", "dhcp", "dhcp, names, range 192.168.1.9-192.168.1.19, stray names refused",
        "names, stray names allowed",
    ])
    func `reads as it is written`(text: String) throws {
        #expect(try #require(Zone.Service(text)).description == text)
    }

    @Test(arguments: ["dns", "dhcp names", "dhcp, range 1.2.3.4", "range 9.9.9.9-1.1.1.1", "names, stray names gone"])
    func `is not read where a word is another`(text: String) { #expect(Zone.Service(text) == nil) }

    @Test func `ends of a passage, pauses and ranges read as they are written`() throws {
        for text in ["guest to printers"] { #expect(try #require(Passage.Ends(text)).description == text) }
        for text in ["guest", "guest to", " to b", "a  to b", "a to b c"] { #expect(Passage.Ends(text) == nil) }
        for text in ["forever", "1800000000"] { #expect(try #require(Device.Pause(text)).description == text) }
        for text in ["", "-1", "soon"] { #expect(Device.Pause(text) == nil) }
        for text in ["10.0.0.1-10.0.0.9", "fd00::1-fd00::f"] {
            #expect(try #require(AddressRange(text)).description == text)
        }
        for text in ["10.0.0.9-10.0.0.1", "10.0.0.1", "10.0.0.1-fd00::1", "10.0.0.1-10.0.0.9-"] {
            #expect(AddressRange(text) == nil)
        }
        for text in ["10.0.0.1", "10.0.0.1/33", "10.0.0.1/024", "/24"] { #expect(InterfaceAddress(text) == nil) }
    }
}
