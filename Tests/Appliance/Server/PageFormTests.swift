import Server
import Testing

@Suite struct PageFormTests {
    @Test func formsAreDecodedAsBrowsersEncodeThem() {
        let form = PageForm("key.origin=New+York&key.note=a%2Bb%3D%26%C3%A9&empty=&bare&key.origin=second&=nameless&&")
        #expect(form["key.origin"] == "New York")
        #expect(form["key.note"] == "a+b=&é")
        #expect(form["empty"] == "")
        #expect(form["bare"] == "")
        #expect(form["missing"] == nil)
        #expect(form.fields(prefix: "key.") == ["origin": "New York", "note": "a+b=&é"])
    }

    @Test func malformedEncodingIsKeptAsSent() {
        #expect(PageForm("a=%zz&b=%FF")["a"] == "%zz")
        #expect(PageForm("a=%zz&b=%FF")["b"] == "%FF")
        #expect(PageForm("").fields.isEmpty)
    }
}
