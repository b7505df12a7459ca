import Testing
import Wire

/// RFC 9110 §12.5.1.
@Suite struct HTTPAcceptTests {
    private func prefersHTML(_ accept: String...) throws -> Bool {
        let fields = accept.map { "Accept: \($0)\r\n" }.joined()
        var parser = HTTPRequestHeadParser()
        guard case .done(let head, _) = try parser.parse(bytes("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").span)
        else {
            Issue.record("incomplete")
            return false
        }
        return head.prefersHTML
    }

    @Test(arguments: [
        // Chrome, Edge; Firefox; Safari; Internet Explorer 11; w3m; lynx.
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html, application/xhtml+xml, */*",
        "application/xml,application/xhtml+xml,text/html;q=0.9,text/plain;q=0.8,image/png,*/*;q=0.5",
        "text/html, text/*;q=0.5, image/*, application/*, audio/*, video/*",
        "text/html, text/plain, text/sgml, */*;q=0.01",
        "application/xhtml+xml", "TEXT/HTML;Level=1", "text/html ; q=.2, text/plain;q=0.1", "text/html;q=1.000",
        #"text/x;a="b,c;\"",text/html"#,
    ]) func `A browser wants HTML`(_ accept: String) throws {
        #expect(try prefersHTML(accept))
    }

    @Test(arguments: [
        // curl, wget, Python; npm; git; an image, a style and a script of a page; nothing at all.
        "*/*", "application/json", "application/x-git-upload-pack-result", "image/avif,image/webp,*/*;q=0.8",
        "text/css,*/*;q=0.1", "text/*", "", ",", ";", "text/html;q=0", "text/html;q=0.000",
        "text/html;q=0.1, text/plain",
        "text/html;q=0.4, */*;q=0.8", "text/html;q=0.4, text/*", "text/htmlx", "xtext/html", #"a/b;c="text/html""#,
        #"a/b;c=",text/html"#, #"a/b;c="\"#,
    ]) func `A program does not`(_ accept: String) throws {
        #expect(try !prefersHTML(accept))
    }

    @Test func `The list may be spread over several fields, or there is none`() throws {
        #expect(try prefersHTML("text/plain;q=0.5", "text/html"))
        #expect(try !prefersHTML("text/plain", "text/html;q=0.5"))
        #expect(try !prefersHTML())
    }
}
