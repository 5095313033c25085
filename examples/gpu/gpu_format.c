/* SPDX-License-Identifier: MIT */
/* See gpu_format.h.  Numbers are those of virgl, which the guest's driver uses. */
#include "gpu_format.h"

#include <stddef.h>

/* Bytes of one pixel, for each number from 0; 0: there is none, or it is below.  Letters: > 9. */
static const char bytes[] =
	"0444422241112200244444418gow48cg48cg48cg48cg48cg24682468246824681234412340123400"
	"001234048cg246812344444440000000000000042424448044144242448142200001121224222424"
	"48400000112244444123412342468246848cg48cg11121112222422244448444840004444488888g"
	"gg24448224488420000222422444400000000000000000000000000000000000000040021";

/* Where pixels are only in blocks. */
static const struct {
	uint16_t first, last;
	struct format_block block;
} blocks[] = {
	{14, 15, {4, 2, 1}},	  {105, 106, {8, 4, 4}},    {107, 108, {16, 4, 4}},
	{109, 110, {8, 4, 4}},	  {111, 112, {16, 4, 4}},   {113, 114, {8, 4, 4}},
	{115, 116, {16, 4, 4}},	  {117, 118, {4, 2, 1}},    {143, 144, {8, 4, 4}},
	{145, 146, {16, 4, 4}},	  {226, 226, {8, 4, 4}},    {227, 228, {4, 2, 1}},
	{255, 258, {16, 4, 4}},	  {269, 272, {8, 4, 4}},    {273, 274, {16, 4, 4}},
	{275, 276, {8, 4, 4}},	  {277, 279, {16, 4, 4}},   {280, 280, {16, 5, 4}},
	{281, 281, {16, 5, 5}},	  {282, 282, {16, 6, 5}},   {283, 283, {16, 6, 6}},
	{284, 284, {16, 8, 5}},	  {285, 285, {16, 8, 6}},   {286, 286, {16, 8, 8}},
	{287, 287, {16, 10, 5}},  {288, 288, {16, 10, 6}},  {289, 289, {16, 10, 8}},
	{290, 290, {16, 10, 10}}, {291, 291, {16, 12, 10}}, {292, 292, {16, 12, 12}},
	{293, 293, {16, 4, 4}},	  {294, 294, {16, 5, 4}},   {295, 295, {16, 5, 5}},
	{296, 296, {16, 6, 5}},	  {297, 297, {16, 6, 6}},   {298, 298, {16, 8, 5}},
	{299, 299, {16, 8, 6}},	  {300, 300, {16, 8, 8}},   {301, 301, {16, 10, 5}},
	{302, 302, {16, 10, 6}},  {303, 303, {16, 10, 8}},  {304, 304, {16, 10, 10}},
	{305, 305, {16, 12, 10}}, {306, 306, {16, 12, 12}},
};

static uint8_t bytes_of(char c)
{
	switch (c) {
	case 'c':
		return 12;
	case 'g':
		return 16;
	case 'o':
		return 24;
	case 'w':
		return 32;
	default:
		return (uint8_t)(c - '0');
	}
}

struct format_block format_block(uint32_t virgl)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (virgl >= blocks[i].first && virgl <= blocks[i].last)
			return blocks[i].block;
	return (struct format_block){virgl < sizeof(bytes) - 1 ? bytes_of(bytes[virgl]) : 0, 1, 1};
}
