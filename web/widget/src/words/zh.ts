import type { Words } from './en';

export const words: Words = {
  close: '关闭聊天', placeholder: '输入消息', send: '发送', stop: '停止回答', retry: '重试', copy: '复制',
  copied: '已复制', helpful: '有帮助', unhelpful: '没有帮助', restart: '新对话', sources: '来源', page: '第 {n} 页',
  writing: '正在写回答', reconnecting: '连接已断开，正在重新连接 …', offline: '您似乎已离线，消息已保留。',
  limited: '请在 {s} 秒后再发送。', failed: '未能完成此回答。', spent: '今天无法再回答了，请明天再来。', stopped: '已停止。', email: '您的电子邮箱',
  emailWhy: '开始之前请留下您的电子邮箱。', begin: '开始', you: '您', assistant: '助手', preview: '这是预览，不会发送任何内容。',
  attach: '添加图片', images: '图片', drop: '将图片拖放到这里', uploading: '正在上传', remove: '移除', more: '还有 {n} 条',
  gone: '这段内容已不存在。', imageKind: '只能添加 PNG、JPEG、WebP 或 GIF 图片。', imageSize: '图片太大，最多 {mb} MB。',
  imageCount: '每条消息最多添加 {n} 张图片。', imageDamaged: '无法读取这张图片，请确认文件完整。', imageOffline: '图片没有上传成功，请检查网络后重试。',
  imageLimited: '一次上传的图片太多了，请稍候再试。', imageFailed: '未能添加图片，请重试。',
  person: '客服人员', callPerson: '转接人工', callOff: '继续与助手对话',
  waiting: '正在等待人工客服，您可以继续发送消息。', joined: '{name} 已加入。', personWrites: '{name} 正在输入 …',
  end: '结束对话', rate: '您对这次对话满意吗？', stars: '{n} 分（满分 5 分）', rateWhy: '原因（可选）', rated: '感谢您的评价。',
  confirm: '确认',
  decline: '不，取消',
  confirmWhy: '这样可以吗？',
  confirmed: '好的，请执行：{title}',
  declined: '不，请不要执行。',
  callDone: '已完成：{title}',
  callFailed: '未完成：{title}',
  calling: '正在处理：{title}',
};
