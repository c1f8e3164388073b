<?php

namespace Example\Files;

class Finder
{
    private array $folders;

    public function __construct(array $folders)
    {
        $this->folders = $folders;
    }

    /**
     * Finds the first file of a name.
     *
     * @return string|null
     */
    public function find(string $name): ?string
    {
        # look into the folders in the order given
        foreach ($this->folders as $folder) {
            if (is_file("$folder/$name")) {
                return "$folder/$name";
            }
        }
        return null;
    }

    public static function count(): int
    {
        return 0;
    }
}

function slug($text)
{
    return strtolower(preg_replace('/\W+/', '-', $text));
}
