/// Takes out of a text what looks like a secret. Nothing of the gateway's own says one; the journal has what others say, too.
enum SecretRemoval {
    private static let mark = "[removed]"

    static func cleaned(_ text: String) -> String {
        var text = text
        // Private keys (RFC 7468), and what is left of one whose end is missing.
        text = text.replacing(
            #/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/#, with: mark)
        // Hashes of passwords: Gatehouse's own, and those of crypt(5).
        text = text.replacing(#/scrypt\$\d+\$\d+\$\d+\$[0-9A-Fa-f]+\$[0-9A-Fa-f]+/#, with: mark)
        text = text.replacing(#/\$(?:y|gy|7|6|5|2[abxy]?|1|argon2id?)\$[^\s:"']+/#, with: mark)
        // A user's password in a URL (RFC 3986 §3.2.1).
        text = text.replacing(#/(:\/\/[^\s\/:@]*):[^\s\/@]+@/#) { "\($0.1):\(mark)@" }
        // Logins in a head of HTTP.
        text = text.replacing(#/((?:[Pp]roxy-)?[Aa]uthorization: *)[^\r\n]+/#) { "\($0.1)\(mark)" }
        text = text.replacing(#/((?:[Ss]et-)?[Cc]ookie: *)[^\r\n]+/#) { "\($0.1)\(mark)" }
        // Where sessions went, of which the journal may have been asked to tell.
        text = text.replacing(#/(\b(?:TARGET|target)=)(?:"[^"\n]*"|\S+)/#) { "\($0.1)\(mark)" }
        return text.replacing(#/((?i:password|passwd|passphrase|secret|token)["']?[=:] ?["']?)[^\s"',;]+/#) {
            "\($0.1)\(mark)"
        }
    }
}
