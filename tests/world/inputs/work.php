<?php
// Strings, arrays, objects with cycles, sorting, regular expressions, serialization, generators.
header('Content-Type: text/plain');
$n = (int) $_GET['n'];

class Node
{
    public array $children = [];
    public ?Node $parent = null;

    public function __construct(public string $name)
    {
    }

    public function add(Node $child): Node
    {
        $child->parent = $this;
        return $this->children[] = $child;
    }
}

function tree(int $depth, string $name): Node
{
    $node = new Node($name);
    for ($i = 0; $depth > 0 && $i < 3; $i++) {
        $node->add(tree($depth - 1, "$name.$i"));
    }
    return $node;
}

function words(int $n): Generator
{
    for ($i = 0; $i < $n; $i++) {
        yield str_repeat(chr(97 + $i % 26), $i % 40 + 1) . $i * 7919 % 10007;
    }
}

$words = iterator_to_array(words($n));
sort($words);
$counts = [];
foreach ($words as $word) {
    $counts[preg_replace('/\d+$/', '', $word)][] = strlen($word);
}
ksort($counts);
$json = json_encode(array_map('array_sum', $counts));
for ($i = 0, $names = 0; $i < 5; $i++) {
    $root = tree(5, "root$i");
    $names += strlen(serialize($root));
}
$root = null;
gc_collect_cycles();
$text = '';
for ($i = 0; $i < $n; $i++) {
    $text .= sprintf('%05d %s;', $i, $words[$i]);
}
$parts = explode(';', $text);
usort($parts, fn ($a, $b) => strcmp(strrev($a), strrev($b)));
echo implode(' ', [md5($json), $names, md5(implode($parts)), strlen($text),
    crc32(strtr($text, 'abc', 'xyz')), count(array_unique(array_map('strlen', $words)))]), "\n";
