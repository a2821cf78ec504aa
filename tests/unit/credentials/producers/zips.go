// Writes the files below the first folder as zips into the second, in each way that archive/zip has.
package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

type way func(to *zip.Writer, name string, content []byte) error

func create(to *zip.Writer, name string, content []byte) error {
	file, err := to.Create(name)
	if err == nil {
		_, err = file.Write(content)
	}
	return err
}

func createStored(to *zip.Writer, name string, content []byte) error {
	file, err := to.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err == nil {
		_, err = file.Write(content)
	}
	return err
}

func createRaw(to *zip.Writer, name string, content []byte) error {
	var packed bytes.Buffer
	packer, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return err
	}
	if _, err = packer.Write(content); err != nil {
		return err
	}
	if err = packer.Close(); err != nil {
		return err
	}
	file, err := to.CreateRaw(&zip.FileHeader{
		Name:               name,
		Method:             zip.Deflate,
		CRC32:              crc32.ChecksumIEEE(content),
		CompressedSize64:   uint64(packed.Len()),
		UncompressedSize64: uint64(len(content)),
	})
	if err == nil {
		_, err = file.Write(packed.Bytes())
	}
	return err
}

func write(from, target string, each way) error {
	out, err := os.Create(target)
	if err != nil {
		return err
	}
	defer out.Close()
	to := zip.NewWriter(out)
	err = filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return each(to, filepath.ToSlash(name), content)
	})
	if err != nil {
		return err
	}
	return to.Close()
}

func main() {
	from, into := os.Args[1], os.Args[2]
	ways := map[string]way{"create": create, "stored": createStored, "raw": createRaw}
	for name, each := range ways {
		if err := write(from, filepath.Join(into, name+".zip"), each); err != nil {
			panic(err)
		}
	}
	out, err := os.Create(filepath.Join(into, "addfs.zip"))
	if err != nil {
		panic(err)
	}
	to := zip.NewWriter(out)
	if err := to.AddFS(os.DirFS(from)); err != nil {
		panic(err)
	}
	if err := to.Close(); err != nil {
		panic(err)
	}
}
