import Testing
import Wire

@Suite struct MarkupTests {
    @Test func `What is put into markup is text, whatever it looks like`() {
        let hostile = #"</title><script src='x' onload="y">&amp;"#
        let page: Markup = "<title a=\"\(hostile)\">\(hostile)</title>"
        let text = "&lt;/title&gt;&lt;script src=&#39;x&#39; onload=&#34;y&#34;&gt;&amp;amp;"
        #expect(page.text == "<title a=\"\(text)\">\(text)</title>")
        // Numbers, addresses, parts of text: by what they say of themselves.
        #expect(("\(Substring("<"))\(7)\(Optional("<").map { $0 } ?? "")" as Markup).text == "&lt;7&lt;")
    }

    @Test func `What is markup already stays it, and is not escaped twice`() {
        let parts: [Markup] = ["<li>\("a<b")</li>", "<li>\("c")</li>"]
        #expect(("<ul>\(parts)\(parts[0])</ul>" as Markup).text == "<ul><li>a&lt;b</li><li>c</li><li>a&lt;b</li></ul>")
    }

    @Test func `What is no character of XML is replaced`() {
        #expect(
            ("\("a\0\u{1b}[31m\tb\n\u{7f}\u{ffff}é")" as Markup).text == "a\u{fffd}\u{fffd}[31m\tb\n\u{fffd}\u{fffd}é")
    }
}
