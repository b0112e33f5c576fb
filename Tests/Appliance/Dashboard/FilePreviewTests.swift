import Contracts
import Core
import Dashboard
import Foundation
import Testing

@Suite struct FilePreviewTests {
    private func records(_ text: String, _ delimiter: Character = ",", isWhole: Bool = true) -> [[String]] {
        DelimitedText(text, delimiter: delimiter.asciiValue!, isWhole: isWhole, atMost: 100).records
    }

    private func html(_ name: String, _ head: Data, size: Int64? = nil) throws -> String {
        let samples = Samples()
        let entry = ArtifactEntry(path: name, isDirectory: false, size: size ?? Int64(head.count))
        return try Dashboard(webDirectory: nil).html(
            FilesPage(
                samples.owner, listing: .init(folders: ["": [entry]], isComplete: true), shown: .file(entry, head: head)
            ))
    }

    private func html(_ name: String, _ text: String, size: Int64? = nil) throws -> String {
        try html(name, Data(text.utf8), size: size)
    }

    @Test func quotedFieldsHoldCommasQuotesAndLineEnds() {
        #expect(records("a,b\r\n\"x, y\",\"say \"\"hi\"\"\"\r\n") == [["a", "b"], ["x, y", "say \"hi\""]])
        #expect(records("\"two\nlines\",2\n") == [["two\nlines", "2"]])
        #expect(records("a\"b,\"\",\n,,\n") == [["a\"b", "", ""], ["", "", ""]])
        #expect(records("a\n\n\nb") == [["a"], ["b"]])
        #expect(records("\u{FEFF}a;b\n1;2", ";") == [["a", "b"], ["1", "2"]])
        // A quote that never closes takes the rest; an old Mac's line ends are line ends.
        #expect(records("a,\"b\nc,d") == [["a", "b\nc,d"]])
        #expect(records("a\rb\r") == [["a"], ["b"]])
        #expect(records("a,\"b\"c\n") == [["a", "bc"]])
        // The last line of a part may be half.
        #expect(records("a,b\n1,2\n3,", isWhole: false) == [["a", "b"], ["1", "2"]])
        #expect(records("").isEmpty && records("\n\r\n").isEmpty)
        #expect(DelimitedText("1\n2\n3\n", delimiter: 44, isWhole: true, atMost: 2).isCut)
        #expect(!DelimitedText("1\n2\n", delimiter: 44, isWhole: true, atMost: 2).isCut)
    }

    @Test func jsonKeepsItsValuesAsWritten() {
        #expect(
            JSONLayout.indented("{\"a\":[1.50,12345678901234567890],\"b\":{ },\"c\":\"x:,{\\\"\"}")
                == "{\n  \"a\": [\n    1.50,\n    12345678901234567890\n  ],\n  \"b\": {},\n  \"c\": \"x:,{\\\"\"\n}")
        #expect(JSONLayout.indented("[]") == "[]")
        // Of a part, and of a file that only opens brackets.
        #expect(JSONLayout.indented("{\"a\": [1, 2") == "{\n  \"a\": [\n    1,\n    2")
        let deep = String(repeating: "[", count: 200_000)
        #expect(JSONLayout.indented(deep).utf8.count < 200_000 * 85)
    }

    @Test func whatIsNotWellFormedIsShownAsItIs() throws {
        let page = try html("a.json", "{\"a\": 1,}")
        #expect(page.contains("Not well-formed JSON") && page.contains("{&quot;a&quot;: 1,}"))
    }

    @Test func hugeFilesAreCutAndSaySo() throws {
        let half = String(repeating: "line\n", count: 50_000)
        let text = try html("a.log", half, size: 5_000_000_000)
        #expect(text.contains("Only the first 250 KB of 5 GB are shown"))
        #expect(!(try html("a.log", half)).contains("Only the first"))
        let rows = "a,b\n" + String(repeating: "1,2\n", count: 5000)
        let table = try html("a.csv", rows)
        #expect(table.contains("The first 200 rows;") && table.components(separatedBy: "<tr>").count == 202)
        let wide = try html("a.csv", (0..<500).map { "c\($0)" }.joined(separator: ",") + "\n")
        #expect(wide.contains("60 of 500 columns"))
        // A character that the cut has split.
        #expect(try html("a.txt", Data("é".utf8.dropLast()), size: 100).contains("Only the first"))
        #expect(try html("a.txt", Data("é".utf8.dropLast())).contains("A binary file"))
    }

    @Test func whatRunsNowhereElseRunsNotHere() throws {
        for (name, text) in [
            ("a.html", "<script>alert(1)</script><img src=x onerror=alert(2)>"),
            ("a.svg", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'><script>alert(2)</script></svg>"),
            ("a.md", "<script>alert(1)</script>\n\n[x](javascript:alert(1))\n![x](http://elsewhere.example/x.png)"),
            ("a.csv", "<script>alert(1)</script>,\"<img src=x onerror=alert(1)>\"\n"),
            ("a.json", "{\"a\": \"</pre><script>alert(1)</script>\"}"), ("a.patch", "+<script>alert(1)</script>"),
        ] {
            let page = try html(name, text)
            #expect(page.components(separatedBy: "<script").count == 2, "\(name)")
            let images = page.components(separatedBy: "<img").dropFirst()
            #expect(images.allSatisfy { $0.hasPrefix(" src=\"/runs/") }, "\(name)")
            #expect(!page.contains("=\"javascript:") && !page.contains("<svg xmlns='"), "\(name)")
        }
    }

    @Test func imagesAreLoadedAndBinariesAreNamed() throws {
        #expect(try html("a.png", Data([0x89, 0x50])).contains("?view=image\" alt=\"a.png\""))
        #expect(try html("a b.svg", "<svg/>").contains("/artifacts/a%20b.svg?view=image"))
        #expect(try html("a.pkl", Data([0x80, 0x04, 0x95])).contains("Python pickle"))
        #expect(try html("a.txt", Data([0xFF, 0xFE, 0x00])).contains("Binary file"))
        #expect(try html("a.txt", "").contains("Empty file"))
    }

    @Test func linksInMarkdownStayAmongTheFiles() throws {
        let samples = Samples()
        let entry = ArtifactEntry(path: "docs/a.md", isDirectory: false, size: 9)
        let text =
            "[up](../b.txt) [out](../../secret) [root](/etc/passwd) ![pic](p.png) ![no](p.html) [web](https://example.org/x)"
        let listing = FileListing(folders: ["": [ArtifactEntry(path: "docs", isDirectory: true)]], isComplete: true)
        let page = try Dashboard(webDirectory: nil).html(
            FilesPage(samples.owner, listing: listing, shown: .file(entry, head: Data(text.utf8))))
        let home = "/runs/\(samples.runs[1].id)"
        #expect(
            page.contains("href=\"\(home)/files/b.txt\"")
                && page.contains("src=\"\(home)/artifacts/docs/p.png?view=image\""))
        #expect(page.contains("href=\"https://example.org/x\" rel=\"noopener noreferrer nofollow\""))
        #expect(!page.contains("secret\"") && !page.contains("passwd\"") && !page.contains("p.html\""))
    }

    @Test func foldersHaveSizesAndOpenAlongTheWay() throws {
        let samples = Samples()
        var folders = [
            "": [
                ArtifactEntry(path: "a", isDirectory: true), ArtifactEntry(path: "z.txt", isDirectory: false, size: 5),
            ]
        ]
        folders["a"] = [ArtifactEntry(path: "a/b", isDirectory: true), ArtifactEntry(path: "a/c", isDirectory: true)]
        folders["a/b"] = (0..<100).map { ArtifactEntry(path: "a/b/f\($0)", isDirectory: false, size: 1000) }
        folders["a/c"] = [ArtifactEntry(path: "a/c/deep.txt", isDirectory: false, size: 1)]
        func page(_ path: String, isComplete: Bool = true) throws -> String {
            try Dashboard(webDirectory: nil).html(
                FilesPage(
                    samples.owner, listing: .init(folders: folders, isComplete: isComplete), shown: .folder(path: path))
            )
        }
        let root = try page("")
        #expect(root.contains("100 KB") && !root.contains("deep.txt"))
        let open = try page("a/c")
        #expect(
            open.contains("deep.txt") && !open.contains(">f7<")
                && open.contains("class=\"folder open\" aria-current=\"true\""))
        let unknown = try page("", isComplete: false)
        #expect(!unknown.contains("100 KB") && unknown.contains("many files"))
    }
}
