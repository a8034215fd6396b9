/** Cuts text to a number of UTF-8 bytes without cutting a character in two. */
export function truncateText(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  let bytes = 0;
  for (let i = 0; i < text.length; ) {
    const point = text.codePointAt(i)!;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (bytes > bytesMax) return text.slice(0, i);
    i += point < 0x10000 ? 1 : 2;
  }
  return text;
}
